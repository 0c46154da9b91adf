"""Objectives against what was answered: values, limits, burn rates, and what nobody measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.health import FEWEST_REQUESTS, Answered, assess, windows_of
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import VitalMissing
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock

_NOW = FakeClock().now()
_ERRORS = Objective("error_ratio", 0.01, 300.0)
_LATENCY = Objective("latency_p95_seconds", 0.5, 300.0)
_requests = st.integers(FEWEST_REQUESTS, 10**6)


def _everywhere(objective: Objective, counts: Counts) -> Answered:
    return dict.fromkeys(windows_of(objective), counts)


def test_the_windows_are_the_own_one_and_those_of_the_published_rules() -> None:
    assert windows_of(_ERRORS) == (300.0, 3600.0, 1800.0, 21600.0, 7200.0, 86400.0, 259200.0)


def test_an_objective_with_a_long_window_has_its_budget_over_that() -> None:
    assert windows_of(Objective("error_ratio", 0.01, 15 * 86_400.0))[1:3] == (150.0, 1800.0)


def test_within_the_limit_it_is_met_with_value_limit_and_window_in_words() -> None:
    found = assess(_ERRORS, _everywhere(_ERRORS, Counts(1000, 5)))
    assert found.is_met
    assert found.words == "error_ratio 0.005 <= 0.01 over 300 s, 1000 requests"


def test_beyond_the_limit_it_is_broken() -> None:
    found = assess(_ERRORS, {300.0: Counts(1000, 30)})
    assert (found.is_met, found.is_broken) == (False, True)
    assert found.words == "error_ratio 0.03 > 0.01 over 300 s, 1000 requests"


def test_latency_is_judged_by_its_quantile_and_its_budget_by_the_share_beyond_the_limit() -> None:
    slow = Counts(1000, 0, latency=Histogram((0.1, 0.5, 1.0), (700, 200, 100, 0)))
    found = assess(_LATENCY, _everywhere(_LATENCY, slow))
    assert found.value == 0.75
    assert found.is_broken
    assert {round(burn.long_rate, 6) for burn in found.burns} == {2.0}, "ten of a hundred where five may"


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (VitalMissing(_NOW, "the server is gone"), "the server is gone"),
        (Counts(0, 0), "only 0 requests were answered (10 say something)"),
        (Counts(9, 9), "only 9 requests were answered (10 say something)"),
    ],
)
def test_what_was_not_measured_is_neither_met_nor_broken(counts: Counts | VitalMissing, reason: str) -> None:
    found = assess(_ERRORS, dict.fromkeys(windows_of(_ERRORS), counts))
    assert (found.is_met, found.is_broken, found.value) == (False, False, None)
    assert found.words == f"error_ratio over 300 s was not measured: {reason}"


@pytest.mark.parametrize(("errors", "is_broken"), [(1, False), (2, False), (4, True)])
def test_what_may_be_chance_is_red_and_wakes_nobody(errors: int, is_broken: bool) -> None:
    """One failure of fifty is twice the limit, and is seen in four looks of ten at a service that just keeps it."""
    found = assess(_ERRORS, {300.0: Counts(50, errors)})
    assert (found.is_met, found.is_broken) == (False, is_broken)
    assert ("which may be chance" in found.words) is not is_broken


def test_a_limit_beyond_the_histogram_is_not_met_by_its_last_bound() -> None:
    slow = Counts(1000, 0, latency=Histogram((0.1, 10.0), (800, 100, 100)))
    found = assess(Objective("latency_p95_seconds", 20.0, 300.0), {300.0: slow})
    assert (found.is_met, found.is_broken) == (False, False)
    assert found.missing == "the histogram ends at 10 s, before the limit, and requests took longer"
    assert assess(Objective("latency_p95_seconds", 5.0, 300.0), {300.0: slow}).is_broken


def test_slow_requests_are_a_share_of_those_whose_latency_was_measured() -> None:
    """Two versions with other buckets: of one the latency is known."""
    partly = Counts(1000, 0, latency=Histogram((0.1, 0.5), (0, 0, 100)))
    found = assess(_LATENCY, _everywhere(_LATENCY, partly))
    assert {round(burn.long_rate, 6) for burn in found.burns} == {20.0}


def test_a_latency_that_nobody_measured_is_missing() -> None:
    found = assess(_LATENCY, _everywhere(_LATENCY, Counts(100, 0)))
    assert found.missing == "nobody measured the latency"
    assert not found.burns


def test_a_budget_that_burns_too_fast_breaks_it_even_where_its_own_window_is_fine_again() -> None:
    fast, calm = Counts(1000, 200), Counts(1000, 0)
    short = Objective("error_ratio", 0.01, 60.0)
    answered = {**_everywhere(short, fast), 60.0: calm}
    found = assess(short, answered)
    assert found.is_broken
    assert "the budget burns 20 times too fast over 3600 s and 20 times over 300 s (limit 14.4)" in found.words


def test_a_budget_that_burns_slowly_asks_for_nobody_at_once() -> None:
    answered: Answered = {**_everywhere(_ERRORS, Counts(10_000, 110)), 300.0: Counts(1000, 1)}
    found = assess(_ERRORS, answered)
    assert found.is_met
    assert found.burn is not None
    assert found.burn.rule.factor == 1.0


def test_windows_that_reach_before_anybody_counted_are_named_and_do_not_hide_the_others() -> None:
    answered: Answered = {
        window: Counts(1000, 0) if window <= 3600 else VitalMissing(_NOW, "nobody counted then")
        for window in windows_of(_ERRORS)
    }
    found = assess(_ERRORS, answered)
    assert found.is_met
    assert [burn.rule.factor for burn in found.burns] == [14.4]
    assert {each.reason for each in found.unseen} == {"nobody counted then"}


def test_where_nothing_may_fail_one_failure_breaks_it() -> None:
    never = Objective("error_ratio", 0.0, 300.0)
    assert assess(never, _everywhere(never, Counts(1000, 0))).is_met
    assert assess(never, _everywhere(never, Counts(1000, 1))).is_broken


@given(_requests, st.data())
def test_more_errors_never_make_it_healthier(requests: int, data: st.DataObject) -> None:
    few = data.draw(st.integers(0, requests))
    more = data.draw(st.integers(few, requests))
    better, worse = (assess(_ERRORS, _everywhere(_ERRORS, Counts(requests, errors))) for errors in (few, more))
    assert better.is_met or not worse.is_met
    assert worse.is_broken or not better.is_broken


@given(_requests, st.integers(0, 10), st.sets(st.sampled_from(windows_of(_ERRORS))))
def test_taking_a_measurement_away_never_makes_it_met(requests: int, errors: int, hidden: set[float]) -> None:
    whole = _everywhere(_ERRORS, Counts(requests, errors))
    part = {window: VitalMissing(_NOW, "gone") if window in hidden else counts for window, counts in whole.items()}
    found = assess(_ERRORS, part)
    assert not found.is_met or 300.0 not in hidden
