"""Failed tests that are run again: what is flaky, what stays failed, and what is told."""

from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.declared_commands import request, scanner, stage
from shopkart_pipeline_tests.scan_requests import evidence_of, reason_of

UNSTABLE = """
import pathlib, sys
count = pathlib.Path({counter!r})
number = len(count.read_text()) + 1 if count.exists() else 1
count.write_text("x" * number)
assert not pathlib.Path("left-behind").exists()
pathlib.Path("left-behind").write_text("")
reports = {reports!r}
content, code = reports[min(number, len(reports)) - 1]
if content:
    pathlib.Path("junit.xml").write_text(content)
    pathlib.Path("coverage.xml").write_text("<nothing/>")
sys.exit(code)
"""


def report(**failed: bool) -> str:
    """A report in which the named tests failed or did not."""
    problem = '<failure message="it broke"/>'
    cases = (f'<testcase name="{name}">{problem if bad else ""}</testcase>' for name, bad in failed.items())
    return f"<testsuite>{''.join(cases)}</testsuite>"


def unstable(folder: Path, reports: list[tuple[str, int]], retries: int, **details: Any) -> ScanRequest:
    """A command that writes another report each time that it is run."""
    code = UNSTABLE.format(counter=str(folder / "runs"), reports=reports)
    return request(folder, stage(code, junit="junit.xml", retries=retries, **details))


def runs_of(folder: Path) -> int:
    return len((folder / "runs").read_text())


def test_a_test_that_passes_when_it_is_run_again_is_flaky_and_nothing_else(tmp_path: Path) -> None:
    asked = unstable(tmp_path, [(report(a=True, b=False), 1), (report(a=False, b=False), 0)], retries=2)

    run = scanner().scan(asked)

    evidence = evidence_of(run)
    counts = {name: evidence.measures[name] for name in ("tests", "passed", "failed", "flaky")}
    assert counts == {"tests": 2, "passed": 1, "failed": 0, "flaky": 1}
    assert evidence.summary == "1 of 2 tests passed, 0 failed, 1 flaky"
    [finding] = evidence.findings
    assert (finding.rule, finding.severity) == ("flaky-test", Severity.LOW)
    assert finding.message == "a: passed on attempt 2 of 3"
    assert evidence.notes[:2] == (
        "The command ran 2 times of at most 3, as tests failed.",
        "1 tests failed and passed, and count neither as passed nor as failed: a.",
    )
    assert [each.name for each in run.raw] == ["junit.xml", "junit-2.xml", "tests.json"]
    assert (runs_of(tmp_path), b"it broke" in run.raw[0].content, b"it broke" in run.raw[1].content) == (2, True, False)


def test_without_retries_a_failed_test_is_run_once(tmp_path: Path) -> None:
    asked = unstable(tmp_path, [(report(a=True), 1), (report(a=False), 0)], retries=0)

    assert evidence_of(scanner().scan(asked)).measures["failed"] == 1
    assert runs_of(tmp_path) == 1


def test_passed_tests_are_not_run_again(tmp_path: Path) -> None:
    asked = unstable(tmp_path, [(report(a=False), 0)], retries=3)

    assert evidence_of(scanner().scan(asked)).measures["flaky"] == 0
    assert runs_of(tmp_path) == 1


def test_a_test_that_never_passes_has_failed(tmp_path: Path) -> None:
    asked = unstable(tmp_path, [(report(a=True), 1)], retries=2)

    evidence = evidence_of(scanner().scan(asked))

    assert (evidence.measures["failed"], evidence.measures["flaky"]) == (1, 0)
    assert runs_of(tmp_path) == 3


def test_a_failed_test_that_is_gone_from_the_next_attempt_stays_failed(tmp_path: Path) -> None:
    asked = unstable(tmp_path, [(report(a=True, b=False), 1), (report(b=False), 0)], retries=1)

    evidence = evidence_of(scanner().scan(asked))

    assert (evidence.measures["failed"], evidence.measures["flaky"]) == (1, 0)


def test_an_attempt_that_proves_nothing_is_told_and_changes_nothing(tmp_path: Path) -> None:
    attempts = [(report(a=True), 1), ("", 3), (report(a=False), 1), (report(a=False), 0)]
    asked = unstable(tmp_path, attempts, retries=3)

    run = scanner().scan(asked)

    evidence = evidence_of(run)
    assert evidence.findings[0].message == "a: passed on attempt 4 of 4"
    assert "Attempt 2 proves nothing: the command wrote no junit.xml" in evidence.notes[1]
    assert "Attempt 3 proves nothing: the command ended with exit code 1" in evidence.notes[2]
    assert [each.name for each in run.raw] == ["junit.xml", "junit-3.xml", "junit-4.xml", "tests.json"]


def test_a_command_that_crashed_is_not_run_again(tmp_path: Path) -> None:
    asked = unstable(tmp_path, [("", 3), (report(a=False), 0)], retries=2)

    assert "exit code 3" in reason_of(scanner().scan(asked))
    assert runs_of(tmp_path) == 1


def test_all_attempts_share_the_time_of_the_stage(tmp_path: Path) -> None:
    code = (
        f"import pathlib, sys, time\npathlib.Path('junit.xml').write_text({report(a=True)!r})\n"
        f"time.sleep(60 if pathlib.Path({str(tmp_path / 'seen')!r}).exists() else 0)\n"
        f"pathlib.Path({str(tmp_path / 'seen')!r}).write_text('')\nsys.exit(1)"
    )

    evidence = evidence_of(scanner().scan(request(tmp_path, stage(code, 3.0, junit="junit.xml", retries=5))))

    assert evidence.measures["failed"] == 1
    assert "The command ran 2 times of at most 6" in evidence.notes[0]
    assert "Attempt 2 proves nothing: the command ran out of time" in evidence.notes[1]


def test_coverage_is_that_of_the_last_attempt(tmp_path: Path) -> None:
    asked = unstable(tmp_path, [(report(a=True), 1), (report(a=False), 0)], retries=1, coverage="coverage.xml")

    run = scanner().scan(asked)

    assert "not Cobertura XML" in reason_of(run)
    assert [each.name for each in run.raw] == ["junit.xml", "junit-2.xml", "coverage.xml"]
