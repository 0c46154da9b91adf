"""Results of several attempts, merged test by test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._test_results import merge
from shopkart_pipeline.adapters.junit import Outcome, TestCase

PASSED, FLAKY, FAILED, ERROR, SKIPPED = (
    Outcome.PASSED,
    Outcome.FLAKY,
    Outcome.FAILED,
    Outcome.ERROR,
    Outcome.SKIPPED,
)


def attempt(**outcomes: Outcome) -> list[TestCase]:
    return [TestCase(name, outcome, 0.1) for name, outcome in outcomes.items()]


def merged(*attempts: list[TestCase]) -> dict[str, Outcome]:
    numbered = dict(enumerate(attempts, start=1))
    return {case.name: case.outcome for case in merge(numbered, len(attempts))}


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((PASSED,), PASSED),
        ((FAILED, PASSED), FLAKY),
        ((ERROR, PASSED), FLAKY),
        ((FAILED, FAILED, PASSED), FLAKY),
        ((FAILED, FLAKY), FLAKY),
        ((FAILED, FAILED, FAILED), FAILED),
        ((FAILED, SKIPPED), FAILED),
        ((PASSED, FAILED), FLAKY),
        ((PASSED, SKIPPED), PASSED),
        ((SKIPPED, FAILED), FAILED),
        ((SKIPPED, PASSED), SKIPPED),
    ],
)
def test_what_a_test_comes_to(outcomes: tuple[Outcome, ...], expected: Outcome) -> None:
    assert merged(*(attempt(a=outcome) for outcome in outcomes)) == {"a": expected}


def test_a_test_that_a_later_attempt_no_longer_knows_stays_failed() -> None:
    assert merged(attempt(a=FAILED, b=PASSED), attempt(b=PASSED)) == {"a": FAILED, "b": PASSED}


def test_a_failure_that_only_a_later_attempt_reports_counts() -> None:
    assert merged(attempt(a=FAILED), attempt(a=PASSED, b=FAILED)) == {"a": FLAKY, "b": FAILED}


def test_the_attempt_is_told() -> None:
    [first, second] = merge({1: attempt(a=FAILED, b=PASSED), 3: attempt(a=PASSED, b=FAILED)}, 4)

    assert first.message == "passed on attempt 3 of 4"
    assert second.message == "failed on attempt 3 of 4, after it had passed"


def test_one_name_for_two_tests_is_flaky_only_where_both_passed_later() -> None:
    twice = [TestCase("a", PASSED, 0.1), TestCase("a", ERROR, 0.1)]

    assert [case.outcome for case in merge({1: twice, 2: attempt(a=PASSED)}, 2)] == [PASSED, FLAKY]
    assert [case.outcome for case in merge({1: twice, 2: twice}, 2)] == [PASSED, ERROR]


OUTCOMES = st.sampled_from([PASSED, FLAKY, FAILED, ERROR, SKIPPED])
ATTEMPTS = st.lists(st.dictionaries(st.sampled_from("abcd"), OUTCOMES, min_size=1), min_size=1, max_size=4)


@given(ATTEMPTS)
def test_no_failure_ever_becomes_a_plain_pass(outcomes: list[dict[str, Outcome]]) -> None:
    result = merged(*(attempt(**each) for each in outcomes))

    failed_once = {name for each in outcomes for name, outcome in each.items() if outcome.is_failure}
    passed_once = {name for each in outcomes for name, outcome in each.items() if outcome in (PASSED, FLAKY)}
    assert all(result[name] in (FLAKY, FAILED, ERROR) for name in failed_once)
    assert all(result[name].is_failure for name in failed_once - passed_once)
    assert set(result) == {name for each in outcomes for name in each}
