"""The real eslint, by real configurations. Collected where eslint is installed; the summary says whether it was."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.eslint import Eslint
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.scan_requests import a_request, evidence_of, reason_of

RECOMMENDED = 'import js from "@eslint/js";\nexport default [js.configs.recommended, {rules: {"no-var": "warn"}}];\n'
CLEAN = "export const total = (prices) => prices.reduce((sum, price) => sum + price, 0);\n"
BAD = "var count = 0;\nexport const f = () => { debugger; };\n"


def files(**code: str) -> dict[str, str]:
    """A service's files: `cart="..."` is the file `cart.js`."""
    return {
        "backend/eslint.config.mjs": RECOMMENDED,
        **{f"backend/web/{name}.js": text for name, text in code.items()},
    }


def rules(folder: Path, now: Mapping[str, str], before: Mapping[str, str] | None = None) -> dict[str, bool]:
    """Which rules are violated, and whether that is new."""
    evidence = evidence_of(Eslint().scan(a_request(folder, now, before)))
    return {finding.rule: finding.is_new for finding in evidence.findings}


def test_clean_code_is_clean(tmp_path: Path) -> None:
    evidence = evidence_of(Eslint().scan(a_request(tmp_path, files(cart=CLEAN))))

    assert evidence.measures == {"violations": 0, "new_violations": 0, "warnings": 0, "suppressed": 0, "files": 1}
    assert evidence.tool.version[0].isdigit()


def test_violations_come_with_rule_place_and_severity(tmp_path: Path) -> None:
    evidence = evidence_of(Eslint().scan(a_request(tmp_path, files(cart=BAD))))

    found = {finding.rule: (finding.line, finding.severity) for finding in evidence.findings}
    assert found == {
        "no-var": (1, Severity.LOW),
        "no-unused-vars": (1, Severity.MEDIUM),
        "no-debugger": (2, Severity.MEDIUM),
    }
    assert {finding.path for finding in evidence.findings} == {"backend/web/cart.js"}
    assert (evidence.measures["violations"], evidence.measures["warnings"]) == (2, 1)


def test_what_the_base_had_is_not_new_though_it_moved(tmp_path: Path) -> None:
    now = files(cart="export const g = () => { fetch2(); };\n" + BAD)

    found = rules(tmp_path, now, files(cart=BAD))

    assert found == {"no-undef": True, "no-var": False, "no-unused-vars": False, "no-debugger": False}


def test_a_base_without_configuration_makes_everything_new(tmp_path: Path) -> None:
    evidence = evidence_of(Eslint().scan(a_request(tmp_path, files(cart=BAD), {"backend/web/cart.js": BAD})))

    assert evidence.measures["new_violations"] == 2
    assert "the base could not be linted" in evidence.notes[0]


def test_what_does_not_parse_is_a_severe_violation(tmp_path: Path) -> None:
    assert set(rules(tmp_path, files(cart="export const x = ;\n"))) == {"parse-error"}


def test_what_is_suppressed_is_counted_apart(tmp_path: Path) -> None:
    code = "export const f = () => {\n  debugger; // eslint-disable-line no-debugger -- we look for a bug\n};\n"

    run = Eslint().scan(a_request(tmp_path, files(cart=code)))

    evidence = evidence_of(run)
    assert (evidence.measures["violations"], evidence.measures["suppressed"]) == (0, 1)
    assert b"we look for a bug" in run.raw[0].content


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        ('import x from "not-installed";\nexport default [];\n', "Cannot find package 'not-installed'"),
        ('export default [{rules: {"no-such-rule": "error"}}];\n', "no-such-rule"),
        ("export default (((", "SyntaxError"),
        ('export default [{ignores: ["**/*.js"]}];\n', "eslint looked at no file"),
        ('throw new Error("not today");\n', "not today"),
    ],
)
def test_a_configuration_that_does_not_work_is_no_evidence(tmp_path: Path, configuration: str, reason: str) -> None:
    broken = files(cart=CLEAN) | {"backend/eslint.config.mjs": configuration}

    said = reason_of(Eslint().scan(a_request(tmp_path, broken)))

    assert reason in said
    assert str(tmp_path) not in said


def test_every_file_is_checked_once_by_its_nearest_configuration(tmp_path: Path) -> None:
    strict = 'export default [{rules: {"no-debugger": "error"}}];\n'
    lax = "export default [];\n"
    tree = {
        "eslint.config.mjs": strict,
        "backend/a.js": "debugger;\n",
        "backend/web/eslint.config.mjs": lax,
        "backend/web/b.js": "debugger;\n",
        "servicekit/c.js": "debugger;\n",
    }

    evidence = evidence_of(Eslint().scan(a_request(tmp_path, tree)))

    assert [finding.path for finding in evidence.findings] == ["backend/a.js", "servicekit/c.js"]
    assert evidence.measures["files"] == 3


def test_configuration_and_ignore_files_around_the_tree_have_no_say(tmp_path: Path) -> None:
    (tmp_path / "eslint.config.mjs").write_text("export default [{ignores: ['**/*']}];\n")
    (tmp_path / ".gitignore").write_text("*.js\n")

    assert "no-debugger" in rules(tmp_path, files(cart=BAD))


def test_a_configuration_may_not_change_the_tree(tmp_path: Path) -> None:
    writing = 'import fs from "node:fs";\nfs.writeFileSync("web/cart.js", "gone");\nexport default [];\n'
    asked = a_request(tmp_path, files(cart=CLEAN) | {"backend/eslint.config.mjs": writing})

    Eslint().scan(asked)

    assert (asked.tree / "backend/web/cart.js").read_text() == CLEAN
