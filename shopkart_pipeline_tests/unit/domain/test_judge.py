"""Good news needs fresh numbers, a regression is found quickly, and noise rarely aborts."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.history import History
from shopkart_pipeline.domain.judge import Judgement, JudgePolicy, Opinion, judge
from shopkart_pipeline.domain.sequential_test import Dispersion
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
POLICY = JudgePolicy(
    minimum_effect=2.0,
    false_abort_probability=0.005,
    floor_error_ratio=0.2,
    floor_minimum_requests=20,
    minimum_canary_requests=20,
)


def sample(second: float, canary: tuple[int, int], stable: tuple[int, int]) -> TrafficSample:
    return TrafficSample(NOON + timedelta(seconds=second), Counts(*canary), Counts(*stable))


def gap(second: float) -> MetricsMissing:
    return MetricsMissing(NOON + timedelta(seconds=second), "the metrics server did not answer")


START = sample(0, (0, 0), (1000, 5))
FINE = sample(10, (50, 0), (1450, 7))


def test_a_canary_that_answered_enough_without_a_sign_of_harm_is_good() -> None:
    judgement = judge([START, FINE], POLICY)

    assert judgement.opinion is Opinion.GOOD
    assert (judgement.canary, judgement.stable) == (Counts(50, 0), Counts(450, 2))


@pytest.mark.parametrize(
    "samples",
    [
        (),
        (START,),
        (gap(0), gap(1), gap(2)),
        (START, gap(1), gap(2)),
        (START, FINE, gap(11)),
        (START, replace(START, at=NOON + timedelta(seconds=60))),
        (START, sample(10, (19, 0), (1450, 7))),
    ],
    ids=["nothing", "one", "gaps", "one and gaps", "latest is a gap", "no growth", "too few"],
)
def test_without_enough_fresh_numbers_no_opinion_is_good(samples: tuple[TrafficSample | MetricsMissing, ...]) -> None:
    assert judge(samples, POLICY).opinion is Opinion.HOLD


def test_requests_of_an_earlier_step_do_not_pass_this_one() -> None:
    samples = [START, FINE, sample(20, (60, 0), (1800, 8))]

    judgement = judge(samples, POLICY, step_since=FINE.at)

    assert judgement.opinion is Opinion.HOLD
    assert "answered 10 requests in this step (at least 20 are needed)" in judgement.reason


def test_a_canary_without_anything_to_compare_with_is_not_good() -> None:
    judgement = judge([START, sample(10, (500, 50), (1000, 5))], POLICY)

    assert judgement.opinion is Opinion.HOLD
    assert "nothing to compare" in judgement.reason


def test_a_gap_leaves_the_counts_as_they_are() -> None:
    assert judge([START, gap(5), FINE], POLICY) == judge([START, FINE], POLICY)


def test_a_reset_counter_counts_from_zero() -> None:
    samples = [START, FINE, sample(11, (4, 1), (1500, 7)), sample(12, (10, 1), (1600, 7))]

    judgement = judge(samples, POLICY)

    assert judgement.canary == Counts(60, 1)
    assert judgement.stable == Counts(600, 2)


def test_an_error_ratio_over_the_floor_aborts_whatever_stable_does() -> None:
    judgement = judge([START, sample(5, (40, 16), (1180, 95))], POLICY)

    assert judgement.opinion is Opinion.BAD
    assert "error ratio 0.400 > floor 0.200" in judgement.reason


def test_a_canary_that_fails_everything_aborts_with_the_minimum_of_requests() -> None:
    assert judge([START, sample(5, (20, 20), (1180, 5))], POLICY).opinion is Opinion.BAD


def test_one_burst_over_the_floor_neither_aborts_nor_passes() -> None:
    first = sample(5, (25, 6), (1225, 5))

    burst = judge([START, first], POLICY)
    later = judge([START, first, sample(10, (50, 6), (1450, 6))], POLICY)

    assert burst.opinion is Opinion.HOLD
    assert "more than the floor allows, if it is no single burst" in burst.reason
    assert later.opinion is Opinion.GOOD


def test_the_larger_bursts_are_known_to_be_the_more_the_floor_allows() -> None:
    looks = [START, sample(5, (25, 15), (1225, 5))]
    bursts = History(NOON, NOON, {"errors": Dispersion(9.0, 60)})

    assert judge(looks, POLICY).opinion is Opinion.BAD
    assert judge(looks, POLICY, history=bursts).opinion is Opinion.HOLD


def test_the_floor_waits_for_its_minimum_of_requests() -> None:
    assert judge([START, sample(5, (19, 19), (1180, 5))], POLICY).opinion is Opinion.HOLD


def test_an_error_ratio_at_the_floor_does_not_abort() -> None:
    both_at_the_floor = judge([START, sample(5, (20, 4), (1200, 45))], POLICY)

    assert both_at_the_floor.opinion is Opinion.GOOD


def looks(*intervals: tuple[int, int, int, int]) -> list[TrafficSample]:
    """Samples from the growth of each interval: canary requests and errors, stable requests and errors."""
    samples, canary, stable = [sample(0, (0, 0), (0, 0))], Counts(0, 0), Counts(0, 0)
    for second, (canary_requests, canary_errors, stable_requests, stable_errors) in enumerate(intervals, start=1):
        canary += Counts(canary_requests, canary_errors)
        stable += Counts(stable_requests, stable_errors)
        samples.append(TrafficSample(NOON + timedelta(seconds=second), canary, stable))
    return samples


def test_a_handful_of_errors_beside_a_stable_that_has_none_aborts() -> None:
    quiet, failing = (5, 0, 45, 0), (5, 1, 45, 0)
    samples = looks(quiet, failing, failing, quiet, failing, failing, quiet, failing, failing, quiet, quiet, quiet)

    judgement = judge(samples, POLICY)

    assert judgement.opinion is Opinion.BAD
    assert judgement.reason.startswith("6 of 60 canary requests failed, 0 of 540 on stable: a regression is ")


def test_one_error_aborts_nothing() -> None:
    assert judge(looks(*[(5, 0, 45, 0)] * 8, (5, 1, 45, 0)), POLICY).opinion is Opinion.GOOD


def test_errors_on_both_sides_alike_abort_nothing() -> None:
    outage = [(10, 2, 90, 18)] * 30

    assert judge(looks(*outage), POLICY).opinion is Opinion.GOOD


def test_a_burst_of_errors_on_the_canary_alone_aborts_nothing() -> None:
    samples = looks(*[(10, 0, 90, 0)] * 4, (10, 8, 90, 0), *[(10, 0, 90, 0)] * 5)

    assert judge(samples, POLICY).opinion is Opinion.GOOD


def test_many_looks_at_few_requests_add_up() -> None:
    """At five requests a second most looks see no canary request; what they see is not thrown away."""
    once = [(0, 0, 1, 0), (0, 0, 2, 0), (1, 1, 0, 0), (0, 0, 1, 0), (1, 0, 1, 0), (0, 0, 2, 0)]

    judgement = judge(looks(*once * 12), replace(POLICY, floor_error_ratio=0.9))

    assert judgement.opinion is Opinion.BAD


_COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 500)).map(lambda pair: Counts(max(pair), min(pair)))
_SAMPLES = st.lists(st.tuples(_COUNTS, _COUNTS, st.booleans()), max_size=20)


@given(_SAMPLES)
def test_whatever_the_counters_say_the_opinion_has_its_reasons(points: list[tuple[Counts, Counts, bool]]) -> None:
    samples = [
        TrafficSample(NOON + timedelta(seconds=second), canary, stable) if seen else gap(second)
        for second, (canary, stable, seen) in enumerate(points)
    ]

    judgement = judge(samples, POLICY)

    assert judgement.reason
    assert judgement.evidence_ratio >= 0
    if judgement.opinion is Opinion.GOOD:
        assert isinstance(samples[-1], TrafficSample)
        assert judgement.canary.requests >= POLICY.minimum_canary_requests
        assert judgement.stable.requests > 0


@given(_SAMPLES, st.integers(0, 19))
def test_an_additional_gap_never_turns_an_opinion_into_a_good_one(
    points: list[tuple[Counts, Counts, bool]], place: int
) -> None:
    samples: list[TrafficSample | MetricsMissing] = [
        TrafficSample(NOON + timedelta(seconds=second), canary, stable)
        for second, (canary, stable, _) in enumerate(points)
    ]
    before = judge(samples, POLICY)
    samples.insert(min(place, len(samples)), gap(place))

    after = judge(samples, POLICY)

    assert after.opinion in (before.opinion, Opinion.HOLD)


Errors = Callable[[random.Random, int, int], tuple[int, int]]
"""Errors among the requests of canary and stable in one interval."""


def independent(canary_ratio: float, stable_ratio: float) -> Errors:
    return lambda chance, canary, stable: (
        sum(chance.random() < canary_ratio for _ in range(canary)),
        sum(chance.random() < stable_ratio for _ in range(stable)),
    )


def in_bursts(ratio: float, size: int) -> Errors:
    """Errors come `size` at once, on one track, as a lost connection or a bad node makes them."""

    def errors(chance: random.Random, canary: int, stable: int) -> tuple[int, int]:
        failed = [0, 0]
        for request in range(canary + stable):
            if chance.random() < ratio / size:
                failed[request >= canary] += size
        return min(failed[0], canary), min(failed[1], stable)

    return errors


def in_outages(ratio: float) -> Errors:
    """A twentieth of the time everything fails twenty times as often, on both tracks."""

    def errors(chance: random.Random, canary: int, stable: int) -> tuple[int, int]:
        now = ratio * 20 if chance.random() < 0.05 else 0.0
        return independent(now, now)(chance, canary, stable)

    return errors


def watch(
    errors: Errors, chance: random.Random, *, seconds: float, look_seconds: float, rate: float = 50, share: float = 0.1
) -> Iterator[list[TrafficSample]]:
    """What the judge sees after each look at which the canary had errors."""
    canary = stable = Counts(0, 0)
    samples = [TrafficSample(NOON, canary, stable)]
    for look in range(1, int(seconds / look_seconds) + 1):
        to_canary = sum(chance.random() < share for _ in range(round(rate * look_seconds)))
        to_stable = round(rate * look_seconds) - to_canary
        canary_errors, stable_errors = errors(chance, to_canary, to_stable)
        canary, stable = canary + Counts(to_canary, canary_errors), stable + Counts(to_stable, stable_errors)
        samples.append(TrafficSample(NOON + timedelta(seconds=look * look_seconds), canary, stable))
        if canary_errors:
            yield samples


def aborted(errors: Errors, seed: int, *, seconds: float, look_seconds: float) -> float | None:
    """Seconds until the canary was found bad; None if it never was."""
    chance = random.Random(seed)
    for samples in watch(errors, chance, seconds=seconds, look_seconds=look_seconds):
        judgement: Judgement = judge(samples, POLICY)
        if judgement.opinion is Opinion.BAD:
            return (samples[-1].at - NOON).total_seconds()
    return None


@pytest.mark.parametrize(
    ("canary_ratio", "median_seconds", "worst_seconds"), [(0.05, 30, 120), (0.1, 20, 60), (0.5, 10, 15)]
)
def test_a_regression_at_fifty_requests_a_second_is_found_quickly(
    canary_ratio: float, median_seconds: float, worst_seconds: float
) -> None:
    errors = independent(canary_ratio, 0.005)

    found = [aborted(errors, seed, seconds=240, look_seconds=0.5) or 999.0 for seed in range(61)]

    assert median(found) <= median_seconds
    assert max(found) <= worst_seconds


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param(independent(0.005, 0.005), marks=pytest.mark.thorough),
        pytest.param(in_bursts(0.005, 3), marks=pytest.mark.thorough),
        in_outages(0.005),
    ],
    ids=["independent", "bursts", "outages"],
)
def test_half_an_hour_without_a_regression_rarely_aborts(errors: Errors) -> None:
    runs = 100

    aborts = sum(aborted(errors, seed, seconds=1800, look_seconds=20) is not None for seed in range(runs))

    assert aborts <= runs // 100
