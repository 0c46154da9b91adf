"""However long a canary bakes, the document stays small and forgets nothing that was seen."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.rollout import RolloutPhase, RolloutPlan, RolloutState, RolloutStep
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Probes, WorkloadSpec
from shopkart_pipeline.services.rollout_document import MAXIMUM_LOOKS, RolloutDocument, dump, load, with_look

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
