"""JUnit XML, as recorded from pytest and as it comes broken."""

import pytest

from shopkart_pipeline.adapters.junit import Outcome, TestCase, parse, told_properties
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


def dialect(name: str) -> dict[str, TestCase]:
    return {case.name: case for case in parse((SAMPLES / "junit" / name).read_bytes())}


def outcomes(name: str) -> dict[str, Outcome]:
    return {test: case.outcome for test, case in dialect(name).items()}


def test_mocha_announces_skipped_tests_and_leaves_them_out() -> None:
    cases = dialect("mocha.xml")

    assert [case.outcome for case in cases.values()] == [Outcome.PASSED, Outcome.FAILED, Outcome.PASSED]
    assert cases["discounts::cart discounts"].message == "50 == 45"
    assert {case.own_file for case in cases.values()} == {"/shop/test/cart.test.js"}


def test_jest_leaves_the_message_to_the_text() -> None:
    cases = dialect("jest.xml")

    assert [case.outcome for case in cases.values()].count(Outcome.SKIPPED) == 1
    assert cases["cart discounts::cart discounts"].message == "assert.equal(received, expected)"


def test_nodes_own_runner_tells_tests_apart_by_their_suites() -> None:
    assert outcomes("node.xml") == {
        "cart::adds": Outcome.PASSED,
        "cart::discounts": Outcome.FAILED,
        "cart::rounds": Outcome.SKIPPED,
        "cart::when empty::adds": Outcome.PASSED,
    }


def test_gotestsum_names_a_test_for_every_run_of_it() -> None:
    name = "shopkart.example/shop/cart::TestFlaky"
    again = parse((SAMPLES / "junit/gotestsum_rerun.xml").read_bytes())

    assert list(outcomes("gotestsum.xml").values()).count(Outcome.FAILED) == 2
    assert [case.outcome for case in again if case.name == name] == [Outcome.FAILED, Outcome.PASSED]


def test_ctest_calls_skipped_what_it_can_not_find_and_passed_what_is_switched_off() -> None:
    assert outcomes("ctest.xml") == {
        "adds::adds": Outcome.PASSED,
        "discounts, rounded::discounts, rounded": Outcome.FAILED,
        "absent::absent": Outcome.ERROR,
        "disabled::disabled": Outcome.SKIPPED,
        "skipped::skipped": Outcome.SKIPPED,
    }


def test_surefire_tells_what_it_ran_again() -> None:
    cases = dialect("surefire.xml")

    flaky = cases["com.shopkart.CartTest::reserves"]
    assert (flaky.outcome, flaky.message) == (Outcome.FLAKY, "passed on attempt 3 of its runner")
    assert cases["com.shopkart.CartTest::discounts"].outcome is Outcome.FAILED
    assert cases["com.shopkart.CartTest$Delivery::ships"].outcome is Outcome.ERROR
    assert cases["com.shopkart.CartTest::adds"].outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("attributes", "outcome"),
    [
        ('status="notrun" result="suppressed"', Outcome.SKIPPED),
        ('status="run" result="completed"', Outcome.PASSED),
        ('status="disabled"', Outcome.SKIPPED),
    ],
)
def test_a_test_that_is_switched_off_did_not_pass(attributes: str, outcome: Outcome) -> None:
    [case] = parse(f'<testsuite><testcase name="a" {attributes}/></testsuite>'.encode())

    assert case.outcome is outcome


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("0.25", 0.25),
        ("1,234.5", 1234.5),
        ("1,234", 1234.0),
        ("0,123", 0.123),
        ("1.234,5", 1234.5),
        ("", 0.0),
        ("soon", 0.0),
        ("nan", 0.0),
        ("-1", 0.0),
    ],
)
def test_durations_are_read_in_every_language(time: str, seconds: float) -> None:
    [case] = parse(f'<testsuite><testcase name="a" time="{time}"/></testsuite>'.encode())

    assert case.duration_seconds == seconds


def test_suites_may_be_deep_and_without_counts() -> None:
    report = b"<testsuite>" * 400 + b'<testcase name="a"/>' + b'<testsuite tests=""/>' + b"</testsuite>" * 400

    assert [case.name for case in parse(report)] == ["a"]


def test_the_file_of_a_suite_is_that_of_its_tests() -> None:
    tests = '<testcase name="a"/><testcase name="b" file="b.js"/>'
    report = f'<testsuite file="a.js"><testsuite>{tests}</testsuite></testsuite>'.encode()

    assert [case.own_file for case in parse(report)] == ["a.js", "b.js"]


def test_skipped_tests_that_are_announced_twice_hide_no_others() -> None:
    report = b'<testsuite tests="3" skipped="1"><testcase name="a"><skipped/></testcase></testsuite>'

    with pytest.raises(ValueError, match="3 tests are announced, but only 1 reported"):
        parse(report)


def test_a_test_that_says_very_much_is_read() -> None:
    said = b"x" * (20 * 1024 * 1024)
    report = b'<testsuite tests="1"><testcase name="a"><system-out>' + said + b"</system-out></testcase></testsuite>"

    assert [case.name for case in parse(report)] == ["a"]


def _with_property(name: str, *values: str) -> bytes:
    inner = "".join(f'<property name="{name}" value="{value}"/>' for value in values)
    return (
        f'<testsuites><testsuite><properties>{inner}</properties><testcase name="a"/></testsuite></testsuites>'.encode()
    )


def test_in_which_browser_tests_ran_is_told() -> None:
    assert told_properties(sample("browser.xml")) == ("browser: chromium 156.0.8078.108",)
    assert len(parse(sample("browser.xml"))) == 3


def test_the_property_of_a_report_that_is_one_suite_is_told_too() -> None:
    assert told_properties(
        b'<testsuite><properties><property name="browser">none</property></properties></testsuite>'
    ) == ("browser: none",)


def test_each_browser_is_told_once_and_only_a_few_of_them() -> None:
    assert told_properties(_with_property("browser", "firefox 140", "firefox 140", "")) == ("browser: firefox 140",)
    assert len(told_properties(_with_property("browser", *map(str, range(100))))) == 5
    [told] = told_properties(_with_property("browser", "x" * 10_000))
    assert len(told) < 300


@pytest.mark.parametrize("name", ["java.class.path", "env.AWS_SECRET_ACCESS_KEY", "Browser", ""])
def test_other_properties_are_not_told_as_runners_write_their_surroundings_there(name: str) -> None:
    assert told_properties(_with_property(name, "anything")) == ()


def test_the_property_of_a_single_test_is_not_the_suites() -> None:
    properties = b'<properties><property name="browser" value="x"/></properties>'

    assert told_properties(b'<testsuite><testcase name="a">' + properties + b"</testcase></testsuite>") == ()
