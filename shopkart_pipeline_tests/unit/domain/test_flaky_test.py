"""Flaky tests in evidence, and their count over releases."""

from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity, Tool
from shopkart_pipeline.domain.flaky_test import FlakyTest, count_flaky, flaky_finding, flaky_names


def evidence(*names: str) -> Evidence:
    findings = tuple(flaky_finding(name, "a.py", "passed on attempt 2 of 3") for name in names)
    failed = Finding("failed-test", Severity.HIGH, "other: it broke", "f")
    return Evidence(Tool("pytest", "9"), "", findings=(*findings, failed))


def test_the_name_is_read_back_from_the_finding() -> None:
    assert flaky_names(evidence("a::b[x: y]", "c")) == {"a::b[x: y]", "c"}


def test_a_very_long_name_is_cut_and_how_it_went_is_kept() -> None:
    finding = flaky_finding("x" * 5000, None, "passed on attempt 2 of 3")

    assert finding.message.endswith(": passed on attempt 2 of 3")
    assert len(finding.message) < 500


def test_the_fingerprint_hangs_on_the_name_and_not_on_the_attempt() -> None:
    first, second = (flaky_finding("a", "a.py", f"passed on attempt {number} of 3") for number in (2, 3))

    assert first.fingerprint == second.fingerprint
    assert first.fingerprint != flaky_finding("b", "a.py", "passed on attempt 2 of 3").fingerprint


def test_tests_are_counted_over_releases_the_worst_first() -> None:
    counted = count_flaky([evidence("a", "b"), evidence(), evidence("b"), evidence("c", "b")])

    assert counted == (FlakyTest("b", 3, 4), FlakyTest("a", 1, 4), FlakyTest("c", 1, 4))
    assert counted[0].line == "b was flaky in 3 of the last 4 releases"
