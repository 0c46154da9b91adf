"""JUnit XML, as recorded from pytest and as it comes broken."""

import pytest

from shopkart_pipeline.adapters.junit import Outcome, parse
from shopkart_pipeline_tests.scan_requests import SAMPLES


def sample(name: str) -> bytes:
    return (SAMPLES / "pytest" / name).read_bytes()


def test_the_recorded_report_tells_how_every_test_ended() -> None:
    outcomes = [case.outcome for case in parse(sample("failures.xml"))]

    assert len(outcomes) == 10
    assert outcomes.count(Outcome.FAILED) == 4
    assert outcomes.count(Outcome.ERROR) == 2
    assert outcomes.count(Outcome.SKIPPED) == 2


def test_a_failure_comes_with_its_place_and_first_line() -> None:
    failed = next(case for case in parse(sample("failures.xml")) if case.outcome is Outcome.FAILED)

    assert failed.name == "tests.test_a::test_bad"
    assert failed.message == "AssertionError: numbers differ"
    assert (failed.file, failed.line) == ("tests/test_a.py", 5)


def test_a_collection_error_is_an_error() -> None:
    [case] = parse(sample("collection_error.xml"))

    assert (case.outcome, case.message, case.file) == (Outcome.ERROR, "collection failure", "tests/test_broken.py")


def test_passed_tests_have_no_message() -> None:
    [case] = parse(sample("passed.xml"))

    assert (case.outcome, case.message) == (Outcome.PASSED, "")
    assert case.duration_seconds >= 0


def test_no_tests_are_no_cases() -> None:
    assert parse(sample("no_tests.xml")) == ()


def test_a_report_that_was_cut_off_is_not_read() -> None:
    with pytest.raises(ValueError, match="not readable"):
        parse(sample("truncated.xml"))


def test_a_suite_that_ran_more_than_it_reports_is_not_read() -> None:
    with pytest.raises(ValueError, match="3 tests are announced, but only 1 reported"):
        parse(b'<testsuites><testsuite tests="3"><testcase name="a"/></testsuite></testsuites>')


def test_a_nested_suite_is_counted_once() -> None:
    report = b'<testsuite tests="1"><testsuite tests="1"><testcase name="a" time="1,234.5"/></testsuite></testsuite>'

    assert [case.duration_seconds for case in parse(report)] == [1234.5]


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"\x00\x01",
        b"<html/>",
        b"{}",
        b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites>&a;</testsuites>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuites>&a;</testsuites>',
        b'<testsuite tests="many"/>',
    ],
)
def test_nonsense_and_entities_are_refused(report: bytes) -> None:
    with pytest.raises(ValueError, match=r"not readable|not JUnit|invalid literal"):
        parse(report)


def test_a_huge_report_is_read() -> None:
    report = b"<testsuites>" + b'<testcase classname="c" name="n" time="0.1"/>' * 50_000 + b"</testsuites>"

    assert len(parse(report)) == 50_000
