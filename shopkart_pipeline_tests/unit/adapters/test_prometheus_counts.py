"""Arithmetic of counters: whatever replicas do, what was answered is counted once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._prometheus_api import Series
from shopkart_pipeline.adapters._prometheus_counts import (
    Answered,
    Cells,
    Labels,
    Replica,
    Within,
    counted_through,
    counts_of,
    matching,
)
from shopkart_pipeline.adapters._prometheus_history import learned
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.history import ERRORS
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.sequential_test import PRIOR
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.workload import Track

SINCE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OK = Answered("GET", 200, 299)
LABELS = Labels("method", "code")
ONE, OTHER = Replica(Track.STABLE, "backend-1"), Replica(Track.STABLE, "backend-2")


def series(name: str, values: Sequence[int | None], code: str = "200") -> Series:
    """A replica's counter, one value for each interval; None where it was not there."""
    points = tuple(
        (SINCE.timestamp() + 30 * index, float(value)) for index, value in enumerate(values) if value is not None
    )
    return Series({"pod": name, "shopkart_track": "stable", "method": "GET", "code": code}, points)


@given(st.lists(st.lists(st.integers(0, 50), max_size=6), min_size=1, max_size=6))
def test_a_counter_that_begins_anew_loses_nothing_that_was_scraped(lives: list[list[int]]) -> None:
    """Each life of a container begins at zero, where it is scraped, and then answers some more requests at a time."""
    values: list[int | None] = []
    for life in lives:
        total = 0
        values.append(total)
        for more in life:
            total += more
            values.append(total)

    counted = counted_through([(series("backend-1", values), OK)])

    assert counted == {ONE: {OK: sum(map(sum, lives))}}


def test_several_series_of_a_replica_are_one_count() -> None:
    routes = [(series("backend-1", [3, 5, 1]), OK), (series("backend-1", [10, 11, 12]), OK)]
    assert counted_through(routes) == {ONE: {OK: 5 + 1 + 12}}


def test_requests_errors_and_latency_of_a_track_are_summed_over_its_replicas() -> None:
    counters: dict[Replica, Cells] = {
        ONE: {OK: 7.0, Answered("POST", 503, 503): 2.0, Within(0.1): 6.0, Within(float("inf")): 9.0},
        OTHER: {Answered("GET", 500, 599): 1.0, Within(0.1): 0.0, Within(float("inf")): 1.0},
        Replica(Track.CANARY, "backend-canary-1"): {OK: 100.0},
    }
    stable = counts_of(counters, Track.STABLE)
    assert (stable.requests, stable.errors) == (10, 3)
    assert stable.latency is not None
    assert stable.latency.counts == (6, 4)
    assert counts_of(counters, Track.CANARY) == Counts(100, 0)


@pytest.mark.parametrize(
    "below",
    [
        {Within(0.1): 6.0},
        {Within(0.1): 6.0, Within(0.5): 7.0},
        {Within(0.1): 6.0, Within(float("inf")): 5.0},
        {Within(0.0): 6.0, Within(float("inf")): 9.0},
    ],
)
def test_buckets_that_are_no_histogram_are_none(below: dict[Answered | Within, float]) -> None:
    assert counts_of({ONE: {OK: 9.0, **below}}, Track.STABLE) == Counts(9, 0)


def test_an_event_is_what_its_rule_says_and_is_never_guessed() -> None:
    cells: dict[Answered | Within, float] = {
        Answered("POST", 303, 303): 4.0,
        Answered("POST", 302, 302): 1.0,
        Answered("GET", 303, 303): 9.0,
        Answered("PUT", 300, 399): 2.0,
        Within(0.1): 99.0,
    }
    assert matching(cells, EventRule("checkouts", "POST", (303, 303))) == 4
    assert matching(cells, EventRule("redirects", "POST", (300, 399))) == 5
    assert matching(cells, EventRule("changes", "PUT", (300, 399))) == 2
    with pytest.raises(UntrustedInput, match="can't be told from other answers"):
        matching(cells, EventRule("changes", "PUT", (303, 303)))


def learn(*found: Series) -> float:
    until = SINCE + timedelta(hours=1)
    return learned(found, LABELS, SINCE, until, ()).prior(ERRORS).value


def test_replicas_that_are_alike_teach_a_small_dispersion_and_bursts_a_large_one() -> None:
    requests = [1000 * index for index in range(40)]
    calm = [series(name, [5 * index for index in range(40)], "500") for name in ("a", "b")]
    steps = [("a", 0), ("b", 4)]
    bursts = [series(name, [100 * ((index + shift) // 8) for index in range(40)], "500") for name, shift in steps]
    answered = [series(name, requests) for name in ("a", "b")]
    assert learn(*answered, *calm) < PRIOR.value < 10 < learn(*answered, *bursts)


def test_a_replica_that_comes_goes_or_starts_again_teaches_nothing_in_that_interval() -> None:
    errors = series("a", [0, 1, 2, 3], "500"), series("b", [0, 1, 2, 3], "500")
    requests = series("a", [0, 100, 200, 300]), series("b", [0, 100, 200, 300])
    coming = series("c", [None, 90_000, 90_100, None]), series("c", [None, 9_000, 9_000, None], "500")
    again = series("d", [50_000, 10, 20, 30]), series("d", [5_000, 0, 0, 0], "500")
    assert learn(*requests, *errors, *coming, *again) < PRIOR.value


def test_one_replica_can_not_be_compared_with_itself() -> None:
    with pytest.raises(ToolUnavailable, match="never two replicas"):
        learn(series("a", [0, 100, 200]))
