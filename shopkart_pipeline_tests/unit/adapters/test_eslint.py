"""eslint: its recorded reports, and a stand-in program that writes them. The real one is in the contract suites."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters._eslint_report import parse
from shopkart_pipeline.adapters.eslint import Eslint
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_request, a_service, a_stage, evidence_of, reason_of

ROOT = Path("/shop")
CONFIGURATION = "export default [];\n"
FILES = {"backend/eslint.config.mjs": CONFIGURATION, "backend/web/cart.js": "x;\n"}
SCRIPT = """#!/bin/sh
[ "$1" = --version ] && {{ echo v9.39.5; exit 0; }}
pwd >> "{log}"
echo "$@" >> "{log}"
sed "s#/shop/backend#$PWD#g" "{report}"
cat "{words}" >&2
exit {exit_code}
"""


def sample(name: str) -> bytes:
    return (SAMPLES / "eslint" / name).read_bytes()


def request(
    folder: Path,
    report: bytes = b"[]",
    exit_code: int = 0,
    words: bytes = b"",
    files: Mapping[str, str] = FILES,
    **details: Any,
) -> ScanRequest:
    """A request to an environment whose eslint writes `report` and says `words`."""
    binaries = folder / "environment/node_modules/.bin"
    binaries.mkdir(parents=True)
    (folder / "report").write_bytes(report)
    (folder / "words").write_bytes(words)
    paths = {"log": folder / "calls", "report": folder / "report", "words": folder / "words"}
    (binaries / "eslint").write_text(SCRIPT.format(exit_code=exit_code, **paths))
    (binaries / "eslint").chmod(0o755)
    return a_request(folder, files, environment=folder / "environment", **details)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().replace(str(folder), "").splitlines()


def test_violations_warnings_and_what_does_not_parse(tmp_path: Path) -> None:
    run = Eslint().scan(request(tmp_path, sample("violations.json"), 1))

    evidence = evidence_of(run)
    assert evidence.measures == {"violations": 6, "new_violations": 6, "warnings": 1, "suppressed": 1, "files": 3}
    assert (evidence.tool.name, evidence.tool.version) == ("eslint", "9.39.5")
    broken = next(finding for finding in evidence.findings if finding.rule == "parse-error")
    assert (broken.path, broken.line, broken.severity) == ("backend/web/broken.js", 1, Severity.HIGH)
    severities = {finding.rule: finding.severity for finding in evidence.findings}
    assert (severities["no-var"], severities["no-undef"]) == (Severity.LOW, Severity.MEDIUM)
    assert evidence.notes == ("1 violations are suppressed where they stand, and don't count.",)


def test_neither_source_nor_fixes_are_kept(tmp_path: Path) -> None:
    [raw] = Eslint().scan(request(tmp_path, sample("violations.json"), 1)).raw

    assert b"while we look for a bug" in raw.content
    assert b'"source"' not in raw.content
    assert b'"fix"' not in raw.content
    assert b"suggestions" not in raw.content
    assert str(tmp_path).encode() not in raw.content


def test_a_clean_report_is_clean(tmp_path: Path) -> None:
    evidence = evidence_of(Eslint().scan(request(tmp_path, sample("clean.json"))))

    assert (evidence.measures["violations"], evidence.measures["files"], evidence.findings) == (0, 1, ())


def test_a_crash_is_no_evidence_and_says_why(tmp_path: Path) -> None:
    run = Eslint().scan(request(tmp_path, b"", 2, words=sample("crash.txt")))

    assert reason_of(run).startswith("eslint ended with exit code 2: Error [ERR_MODULE_NOT_FOUND]: Cannot find package")


@pytest.mark.parametrize(
    ("report", "exit_code", "reason"),
    [
        (b"[]", 0, "eslint looked at no file"),
        (b"", 0, "unreadable report"),
        (b"{}", 1, "unreadable report"),
        (b'[{"filePath": "a.js", "messages": [{"severity": 3, "message": "x"}]}]', 1, "unreadable report"),
        (sample("truncated.json"), 1, "unreadable report"),
        (sample("violations.json"), 0, "exit code 0, but reported 6 errors"),
        (sample("clean.json"), 1, "exit code 1, but reported 0 errors"),
        (b"", 137, "exit code 137"),
    ],
)
def test_what_can_not_be_relied_on_is_no_evidence(tmp_path: Path, report: bytes, exit_code: int, reason: str) -> None:
    assert reason in reason_of(Eslint().scan(request(tmp_path, report, exit_code)))


def test_looking_at_nothing_but_its_own_configuration_is_looking_at_nothing(tmp_path: Path) -> None:
    report = b'[{"filePath": "/shop/backend/eslint.config.mjs", "messages": []}]'

    assert "looked at no file" in reason_of(Eslint().scan(request(tmp_path, report)))


def test_without_eslint_there_is_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert reason_of(Eslint().scan(a_request(tmp_path, FILES))) == "eslint is not installed"


def test_a_run_out_of_time_is_no_evidence(tmp_path: Path) -> None:
    asked = request(tmp_path, sample("clean.json"), stage=a_stage(timeout_seconds=0.0001))

    assert "ran out of time" in reason_of(Eslint().scan(asked))


def test_every_file_is_checked_once_by_its_nearest_configuration(tmp_path: Path) -> None:
    files = {
        "eslint.config.mjs": CONFIGURATION,
        "backend/app.js": "",
        "backend/web/eslint.config.mjs": CONFIGURATION,
        "backend/web/cart.js": "",
        "servicekit/tool.js": "",
        "frontend/other.js": "",
    }
    Eslint().scan(request(tmp_path, sample("clean.json"), files=files))

    options = "--format json --no-error-on-unmatched-pattern"
    assert calls(tmp_path) == [
        "/scratch/eslint",
        f"{options} --ignore-pattern backend/web/** -- backend servicekit",
        "/scratch/eslint/backend/web",
        f"{options} -- .",
    ]


def test_files_without_configuration_are_named(tmp_path: Path) -> None:
    asked = request(tmp_path, sample("clean.json"), files={**FILES, "servicekit/tool.ts": ""})

    evidence = evidence_of(Eslint().scan(asked))

    assert evidence.notes == ("No eslint.config.js is there for 1 files: servicekit/tool.ts.",)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"backend/a.py": ""}, "the service's paths hold no JavaScript"),
        ({"frontend/a.js": "", "frontend/eslint.config.js": ""}, "the service's paths hold no JavaScript"),
        ({"backend/eslint.config.js": ""}, "the service's paths hold no JavaScript"),
        ({"backend/a.js": ""}, "the service has no eslint.config.js for its JavaScript (backend/a.js)"),
        ({"backend/a.ts": "", "eslint.config.js": ""}, None),
        (FILES, None),
    ],
)
def test_it_is_idle_where_there_is_nothing_for_it(tmp_path: Path, files: dict[str, str], reason: str | None) -> None:
    assert Eslint().idle(a_request(tmp_path, files)) == reason


def test_a_service_in_the_root_is_checked_whole(tmp_path: Path) -> None:
    files = {"eslint.config.mjs": CONFIGURATION, "a.js": "", "x/b.js": ""}
    Eslint().scan(request(tmp_path, sample("clean.json"), files=files, service=a_service(".")))

    assert calls(tmp_path)[1].endswith(" -- .")


def test_packages_beside_eslint_lie_beside_the_copy(tmp_path: Path) -> None:
    asked = request(tmp_path, sample("clean.json"))

    Eslint().scan(asked)

    linked = tmp_path / "scratch/eslint/node_modules"
    assert linked.resolve() == tmp_path / "environment/node_modules"
    assert not (asked.tree / "node_modules").exists()


def test_a_result_may_be_reused_until_something_else_is_installed(tmp_path: Path) -> None:
    asked = request(tmp_path)
    assert Eslint().inputs(asked) is None

    lock = tmp_path / "environment/node_modules/.package-lock.json"
    lock.write_text("{}")
    before = Eslint().inputs(asked)
    lock.write_text('{"packages": {}}')

    assert before is not None
    assert Eslint().inputs(asked) != before


def test_the_recorded_report_is_read() -> None:
    report = parse(sample("violations.json"), ROOT)

    assert (report.errors, report.suppressed, report.files) == (6, 1, 3)
    assert {one.path for one in report.said} == {"backend/web/bad.js", "backend/web/broken.js"}
    links = {one.link for one in report.said if one.rule == "no-undef"}
    assert links == {"https://eslint.org/docs/latest/rules/no-undef"}


def test_what_eslint_says_of_itself_and_of_plugins_has_a_name() -> None:
    unused = b'{"ruleId": null, "severity": 1, "message": "Unused eslint-disable directive"}'
    plugin = b'{"ruleId": "react/jsx-key", "severity": 2, "message": "Missing key", "line": 3}'

    said = parse(b'[{"filePath": "a.js", "messages": [' + unused + b"," + plugin + b"]}]", ROOT).said

    assert [(one.rule, one.line, one.link) for one in said] == [("eslint", None, None), ("react/jsx-key", 3, None)]
