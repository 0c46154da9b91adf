"""However long a canary bakes, the document stays small and forgets nothing that was seen."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.judge import Opinion
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.rollout import Action, RolloutPhase, RolloutPlan, RolloutState, RolloutStep
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Probes, WorkloadSpec
from shopkart_pipeline.services.rollout_document import (
    MAXIMUM_LOOKS,
    MAXIMUM_MARKS,
    Mark,
    RolloutDocument,
    dump,
    load,
    with_look,
    with_mark,
)

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


def a_document() -> RolloutDocument:
    plan = RolloutPlan("key", "sha256:new", "sha256:old", "older", (RolloutStep(10, 3.0),), 20.0)
    probes = Probes("/startup", "/ready", "/live", 10.0)
    wanted = WorkloadSpec("sha256:new", "key", "c" * 40, 2, ("serve",), {"A": "1"}, probes, "/metrics", 5.0)
    return RolloutDocument(RolloutState(plan, RolloutPhase.BAKING, NOON), wanted, wanted, NOON)


def look(second: float, canary: tuple[int, int], stable: tuple[int, int] = (0, 0)) -> TrafficSample:
    return TrafficSample(NOON + timedelta(seconds=second), Counts(*canary), Counts(*stable))


def seen(*looks: TrafficSample | MetricsMissing) -> RolloutDocument:
    document = a_document()
    for each in looks:
        document = with_look(document, each)
    return document


def test_looks_are_kept_as_growth_since_the_first() -> None:
    document = seen(look(0, (100, 3)), look(1, (110, 4)), look(2, (130, 4)))

    assert [sample.canary for sample in document.looks] == [Counts(0, 0), Counts(10, 1), Counts(30, 1)]


def test_a_reset_of_the_counters_takes_nothing_away() -> None:
    document = seen(look(0, (100, 3)), look(1, (110, 4)), look(2, (5, 1)), look(3, (9, 1)))

    assert document.looks[-1].canary == Counts(10 + 5 + 4, 1 + 1)


def test_a_gap_is_the_latest_look_until_something_is_seen_again() -> None:
    gap = MetricsMissing(NOON + timedelta(seconds=1), "silent")

    silent = seen(look(0, (100, 3)), gap)
    again = with_look(silent, look(2, (120, 3)))

    assert silent.samples[-1] == gap
    assert (len(again.samples), again.unseen, again.failed_looks) == (2, None, 1)


def test_a_look_that_knows_nothing_newer_changes_nothing() -> None:
    """A metrics server that collects every fifteen seconds shows the same for as long."""
    before = seen(look(0, (100, 3)), look(15, (110, 4)), MetricsMissing(NOON + timedelta(seconds=16), "silent"))

    again = with_look(before, look(15, (110, 4)))

    assert (again.looks, again.counters, again.unseen) == (before.looks, before.counters, None)
    assert with_look(again, look(15, (110, 4))) == again


def test_what_was_never_seen_was_not_measured() -> None:
    gap = MetricsMissing(NOON, "silent")

    assert not seen(gap, gap).was_measured
    assert not seen(look(0, (1, 0)), gap).was_measured
    assert seen(look(0, (1, 0)), look(1, (1, 0))).was_measured


_GROWTH = st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 200), st.floats(0.2, 0.35), st.booleans())


@settings(max_examples=10, deadline=None)
@given(st.lists(_GROWTH, min_size=1, max_size=40), st.integers(20, 60))
def test_nothing_is_forgotten_and_the_document_stays_small(
    pattern: list[tuple[int, int, int, float, bool]], times: int
) -> None:
    document, canary, stable, now = a_document(), Counts(0, 0), Counts(0, 0), 0.0
    total = Counts(0, 0)
    document = with_look(document, look(0, (0, 0)))

    for requests, errors, others, seconds, reset in pattern * times:
        now += seconds
        canary = Counts(requests, min(errors, requests)) if reset else canary + Counts(requests, min(errors, requests))
        stable += Counts(others, 0)
        before = document.counters
        assert before is not None
        total += canary - before.canary
        document = with_look(document, TrafficSample(NOON + timedelta(seconds=now), canary, stable))

    assert len(document.looks) <= MAXIMUM_LOOKS
    assert document.looks[-1].canary == total
    assert document.looks[-1].stable == stable
    assert list(document.looks) == sorted(document.looks, key=lambda sample: sample.at)


def test_after_half_an_hour_intervals_are_still_about_equally_long() -> None:
    document = seen(*(look(0.25 * tick, (tick, 0), (9 * tick, 0)) for tick in range(4 * 1800)))

    lengths = [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(document.looks[:-1])]
    assert len(document.looks) > MAXIMUM_LOOKS // 2
    assert 0.9 * max(lengths) <= min(lengths)
    assert len(dump(document)) < 60_000


def test_a_document_comes_back_as_it_was_saved() -> None:
    document = seen(look(0, (100, 3)), look(1, (110, 4)), MetricsMissing(NOON, "silent"))

    assert load(dump(document)) == document
    assert load(None) is None


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"state": 1}'])
def test_a_document_that_can_not_be_read_is_an_error_with_a_fix(text: str) -> None:
    with pytest.raises(PipelineError, match="can't be read") as caught:
        load(text)

    assert caught.value.fix


def measured(second: float, canary: tuple[int, int, int], stable: tuple[int, int, int]) -> TrafficSample:
    """Requests, errors and checkouts of both tracks; fewer than none are not measured."""
    counts = [
        Counts(requests, errors, {"checkouts": checkouts} if checkouts >= 0 else {})
        for requests, errors, checkouts in (canary, stable)
    ]
    return TrafficSample(NOON + timedelta(seconds=second), *counts)


def test_events_are_kept_as_growth_too() -> None:
    document = seen(measured(0, (100, 3, 40), (900, 9, 400)), measured(1, (110, 3, 41), (990, 9, 409)))

    assert document.looks[-1].canary == Counts(10, 0, {"checkouts": 1})
    assert document.looks[-1].stable == Counts(90, 0, {"checkouts": 9})


def test_events_that_one_side_did_not_tell_grow_on_neither_and_are_made_up_for_later() -> None:
    silent = seen(
        measured(0, (0, 0, 0), (0, 0, 0)), measured(1, (10, 0, 1), (90, 0, 9)), measured(2, (20, 0, -1), (180, 0, 18))
    )
    again = with_look(silent, measured(3, (30, 0, 3), (270, 0, 27)))

    assert silent.looks[-1].silent == ("checkouts",)
    assert (silent.looks[-1].canary.events, silent.looks[-1].stable.events) == ({"checkouts": 1}, {"checkouts": 9})
    assert silent.looks[-1].canary.requests == 20
    assert again.looks[-1].silent == ()
    assert (again.looks[-1].canary.events, again.looks[-1].stable.events) == ({"checkouts": 3}, {"checkouts": 27})


def test_a_time_of_silence_is_kept_with_its_beginning_and_end() -> None:
    gaps = [MetricsMissing(NOON + timedelta(seconds=second), "silent") for second in (1, 2, 3)]
    late = MetricsMissing(NOON + timedelta(seconds=9), "silent again")

    document = seen(look(0, (1, 0)), *gaps, look(4, (2, 0)), late)

    assert [(each.since.second, each.until.second, each.looks) for each in document.silences] == [(1, 3, 3), (9, 9, 1)]


def test_with_everything_measured_for_half_an_hour_a_document_still_fits_into_an_annotation() -> None:
    """Kubernetes takes 256 KiB of annotations for one object."""
    bounds = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def counts(tick: int) -> Counts:
        latency = Histogram(bounds, (12345 + tick,) * 12)
        return Counts(148140 + 12 * tick, 1234, {"checkouts": 1234 + tick, "searches": 9876 + tick}, latency)

    ticks = (NOON + timedelta(seconds=0.25 * tick) for tick in range(4 * 1800))
    document = seen(*(TrafficSample(at, counts(9 * tick), counts(90 * tick)) for tick, at in enumerate(ticks)))

    assert len(document.looks) > MAXIMUM_LOOKS // 2
    assert len(dump(document)) < 180_000
    assert load(dump(document)) == document


def test_of_too_many_decisions_waiting_goes_first() -> None:
    document = a_document()
    for number in range(2 * MAXIMUM_MARKS):
        opinion, action = (Opinion.GOOD, Opinion.HOLD)[number % 2], Action.HOLD if number else Action.SET_WEIGHT
        at = NOON + timedelta(seconds=number)
        document = with_mark(document, Mark(at, action, RolloutPhase.BAKING, 0, "why", opinion, "because", 1.0))

    assert len(document.trail) == MAXIMUM_MARKS
    assert document.trail[0].action is Action.SET_WEIGHT
    assert document.trail[-1].at == NOON + timedelta(seconds=2 * MAXIMUM_MARKS - 1)
