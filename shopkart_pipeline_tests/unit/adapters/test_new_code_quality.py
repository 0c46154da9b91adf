"""The embedded quality analysis: only new code counts, and what can't be measured is not invented."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._quality_rules import is_reviewed
from shopkart_pipeline.adapters.new_code_quality import NewCodeQuality
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import a_release, a_request, evidence_of, reason_of

CLEAN = "def double(number):\n    return 2 * number\n"
BUG = "def last(items=[]):\n    return items\n"
RUN = "import subprocess\n\n\ndef go(what):\n    return subprocess.run(what, check=True)"
COVERAGE = '<coverage><packages><class filename="{path}"><lines>{lines}</lines></class></packages></coverage>'


def analysed(
    folder: Path, base: dict[str, str] | None, files: dict[str, str], coverage: str | None = None
) -> tuple[NewCodeQuality, ScanRequest]:
    """The analysis of a commit with `files` on top of `base`."""
    scm = FakeSourceControl()
    base_sha = scm.add({path: text.encode() for path, text in base.items()}) if base is not None else None
    sha = scm.add({path: text.encode() for path, text in files.items()})
    request = a_request(folder, {**(base or {}), **files}, base, release=a_release(sha))
    reports: dict[str, Path] = {}
    if coverage is not None:
        (folder / "coverage.xml").write_text(coverage)
        reports["unit_tests/coverage.xml"] = folder / "coverage.xml"
    return NewCodeQuality(scm), replace(request, base_commit=base_sha, reports=reports)


def measures(folder: Path, base: dict[str, str] | None, files: dict[str, str]) -> dict[str, float]:
    scanner, request = analysed(folder, base, files)
    return dict(evidence_of(scanner.scan(request)).measures)


def test_a_new_issue_counts_and_an_old_one_does_not(tmp_path: Path) -> None:
    new = measures(tmp_path / "new", {"backend/a.py": CLEAN}, {"backend/a.py": CLEAN + BUG})
    old = measures(tmp_path / "old", {"backend/a.py": BUG}, {"backend/a.py": "import os\n\nprint(os)\n" + BUG})

    assert (new["new_violations"], new["violations"]) == (1, 1)
    assert (old["new_violations"], old["violations"]) == (0, 1)


def test_without_a_base_everything_is_new(tmp_path: Path) -> None:
    found = measures(tmp_path, None, {"backend/a.py": BUG})

    assert (found["new_violations"], found["new_lines"]) == (1, 2)


def test_the_services_own_linter_configuration_has_no_say(tmp_path: Path) -> None:
    files = {"backend/a.py": BUG, "backend/ruff.toml": 'exclude = ["*"]\n', "ruff.toml": 'lint.ignore = ["B"]\n'}

    assert measures(tmp_path, None, files)["new_violations"] == 1


def test_complex_code_is_an_issue_but_not_in_tests(tmp_path: Path) -> None:
    branches = "".join(f"    if x == {number}:\n        return {number}\n" for number in range(20))
    code = f"def choose(x):\n{branches}    return None\n"

    files = {"backend/a.py": code, "backend/tests/test_a.py": f"{code}\n\ndef test_it():\n    assert choose(1)\n"}
    scanner, request = analysed(tmp_path, None, files)
    findings = evidence_of(scanner.scan(request)).findings

    assert {finding.rule for finding in findings} >= {"C901", "PLR0911", "PLR0912"}
    assert {finding.path for finding in findings} == {"backend/a.py"}


def test_a_hotspot_that_nobody_looked_at_is_not_reviewed(tmp_path: Path) -> None:
    scanner, request = analysed(tmp_path, {"backend/b.py": CLEAN}, {"backend/a.py": f"{RUN}\n"})

    evidence = evidence_of(scanner.scan(request))

    assert evidence.measures["new_security_hotspots_reviewed_percent"] == 0
    assert evidence.measures["new_violations"] == 0
    assert [finding.rule for finding in evidence.findings] == ["S603"]


def test_a_hotspot_with_a_reason_is_reviewed(tmp_path: Path) -> None:
    reviewed = f"{RUN}  # noqa: S603 - the arguments are ours\n"

    found = measures(tmp_path, {"backend/b.py": CLEAN}, {"backend/a.py": reviewed})

    assert found["new_security_hotspots_reviewed_percent"] == 100


def test_old_hotspots_and_none_at_all_are_fine(tmp_path: Path) -> None:
    old = measures(tmp_path / "old", {"backend/a.py": f"{RUN}\n"}, {"backend/b.py": CLEAN})
    none = measures(tmp_path / "none", None, {"backend/b.py": CLEAN})

    assert old["new_security_hotspots_reviewed_percent"] == none["new_security_hotspots_reviewed_percent"] == 100


@pytest.mark.parametrize(
    ("line", "reviewed"),
    [
        ("run(x)  # noqa: S603 - arguments are fixed", True),
        ("run(x)  # noqa: S607, S603: looked at by Ana", True),
        ("run(x)  # noqa: S603", False),
        ("run(x)  # noqa: S603 - fine", False),
        ("run(x)  # noqa: S607 - arguments are fixed", False),
        ("run(x)  # noqa", False),
        ("run(x)  # this is fine for us", False),
    ],
)
def test_a_review_names_the_rule_and_a_reason(line: str, reviewed: bool) -> None:
    assert is_reviewed("S603", line) is reviewed


def test_new_lines_that_are_copies_are_measured(tmp_path: Path) -> None:
    lines = "".join(f"    total_{number} = source[{number}] * factor(price, {number})\n" for number in range(20))
    block = f"def work(source, factor, price):\n{lines}"
    fresh = "x = 1\n" * 21

    found = measures(tmp_path, {"backend/a.py": block}, {"backend/b.py": block, "backend/c.py": fresh})

    assert found["new_lines"] == 42
    assert found["new_duplicated_lines_percent"] == pytest.approx(50.0)


def test_copies_in_tests_do_not_count(tmp_path: Path) -> None:
    lines = "".join(f"    total_{number} = source[{number}] * factor(price, {number})\n" for number in range(20))
    block = f"def work(source, factor, price):\n{lines}"

    found = measures(tmp_path, {"backend/a.py": block}, {"backend/tests/test_a.py": block})

    assert (found["new_lines"], found["new_duplicated_lines_percent"]) == (0, 0)


def test_coverage_of_new_code_comes_from_the_unit_tests(tmp_path: Path) -> None:
    report = COVERAGE.format(path="backend/a.py", lines='<line number="1" hits="1"/><line number="2" hits="0"/>')
    scanner, request = analysed(tmp_path, None, {"backend/a.py": CLEAN}, report)

    assert evidence_of(scanner.scan(request)).measures["new_coverage_percent"] == 50


@pytest.mark.parametrize("report", [None, "", "<coverage/>", COVERAGE.format(path="elsewhere.py", lines="")])
def test_without_a_readable_report_coverage_is_absent_and_noted(tmp_path: Path, report: str | None) -> None:
    scanner, request = analysed(tmp_path, None, {"backend/a.py": CLEAN}, report)

    evidence = evidence_of(scanner.scan(request))

    assert "new_coverage_percent" not in evidence.measures
    assert "coverage of new code is unknown" in evidence.notes[0]


def test_code_that_no_test_imports_is_not_covered(tmp_path: Path) -> None:
    report = COVERAGE.format(path="backend/a.py", lines='<line number="1" hits="1"/>')
    files = {"backend/a.py": CLEAN, "backend/forgotten.py": CLEAN}
    scanner, request = analysed(tmp_path, None, files, report)

    evidence = evidence_of(scanner.scan(request))

    assert evidence.measures["new_coverage_percent"] == pytest.approx(100 / 3)


def test_a_tree_without_python_is_no_evidence(tmp_path: Path) -> None:
    scanner, request = analysed(tmp_path, None, {"backend/readme.md": "hello"})

    assert "hold no Python" in reason_of(scanner.scan(request))


def test_a_commit_that_is_not_known_is_no_evidence(tmp_path: Path) -> None:
    _, request = analysed(tmp_path, None, {"backend/a.py": CLEAN})

    assert "what is new can't be told" in reason_of(NewCodeQuality(FakeSourceControl()).scan(request))


def test_a_base_that_can_not_be_looked_at_makes_everything_new(tmp_path: Path) -> None:
    scanner, request = analysed(tmp_path, {"backend/readme.md": ""}, {"backend/a.py": BUG})

    evidence = evidence_of(scanner.scan(request))

    assert evidence.measures["new_violations"] == 1
    assert "base could not be looked at" in evidence.notes[0]


def test_coverage_of_the_unit_tests_may_be_lcov(tmp_path: Path) -> None:
    scanner, request = analysed(tmp_path, None, {"backend/a.py": CLEAN})
    (tmp_path / "coverage.info").write_text("SF:a.py\nDA:1,1\nDA:2,0\nend_of_record\n")
    reports = {"unit_tests/coverage.info": tmp_path / "coverage.info"}

    found = evidence_of(scanner.scan(replace(request, reports=reports))).measures

    assert found["new_coverage_percent"] == 50


def test_javascript_is_new_code_that_nobody_searches_for_copies(tmp_path: Path) -> None:
    code = "".join(f"function f{number}() {{ return {number}; }}\n" for number in range(30))
    scanner, request = analysed(tmp_path, None, {"backend/a.py": CLEAN, "backend/web/a.js": code})

    evidence = evidence_of(scanner.scan(request))

    assert (evidence.measures["new_lines"], evidence.measures["new_duplicated_lines_percent"]) == (32, 0)
    assert evidence.notes[0] == "Rules and copies are looked for in Python alone: 30 new lines are JavaScript."
