"""Events and latency are judged like errors, and what is declared and not seen is never good."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shopkart_pipeline.domain.history import History, learn
from shopkart_pipeline.domain.judge import EventRule, Judgement, JudgePolicy, LatencyRule, Opinion, judge
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.sequential_test import Dispersion, Worse
from shopkart_pipeline.domain.traffic import Counts, TrafficSample

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
PLAIN = JudgePolicy(2.0, 0.005, 0.2, 20, 20)
CHECKOUTS = EventRule("checkouts", "POST", (303, 303))
WITH_EVENTS = replace(PLAIN, events=(CHECKOUTS,))
WITH_LATENCY = replace(PLAIN, latency=LatencyRule(0.95, 1.5))
BOUNDS = (0.05, 0.1, 0.2, 0.4, 0.8)


def samples(grown: list[tuple[Counts, Counts]], look_seconds: float = 5.0) -> list[TrafficSample]:
    canary, stable = grown[0][0] - grown[0][0], grown[0][1] - grown[0][1]
    found = [TrafficSample(NOON, canary, stable)]
    for number, (canary_growth, stable_growth) in enumerate(grown, start=1):
        canary, stable = canary + canary_growth, stable + stable_growth
        found.append(TrafficSample(NOON + timedelta(seconds=number * look_seconds), canary, stable))
    return found


def with_checkouts(canary: int, stable: int) -> tuple[Counts, Counts]:
    return Counts(25, 0, {"checkouts": canary}), Counts(225, 0, {"checkouts": stable})


def test_a_canary_without_checkouts_is_bad_though_no_request_fails() -> None:
    judgement = judge(samples([with_checkouts(0, 10)] * 30), WITH_EVENTS)

    assert judgement.opinion is Opinion.BAD
    assert judgement.reason.startswith("0 checkouts in 750 canary requests, 300 in 6750 on stable: a regression is ")


def test_checkouts_in_proportion_are_good() -> None:
    judgement = judge(samples([with_checkouts(1, 9)] * 30), WITH_EVENTS)

    assert judgement.opinion is Opinion.GOOD
    assert "checkouts" in judgement.reason


def test_an_event_of_which_more_is_worse_is_bad_in_the_other_direction() -> None:
    refusals = replace(PLAIN, events=(replace(CHECKOUTS, worse=Worse.MORE),))

    assert judge(samples([with_checkouts(6, 9)] * 30), refusals).opinion is Opinion.BAD
    assert judge(samples([with_checkouts(0, 9)] * 30), refusals).opinion is Opinion.GOOD


@pytest.mark.parametrize(
    ("grown", "words"),
    [
        ((Counts(25, 0), Counts(225, 0)), "checkouts were not counted"),
        ((Counts(25, 0), Counts(225, 0, {"checkouts": 9})), "checkouts were not counted"),
        (with_checkouts(0, 0), "stable had no checkouts"),
    ],
    ids=["not at all", "on one side", "none happen"],
)
def test_a_declared_event_that_is_not_seen_holds(grown: tuple[Counts, Counts], words: str) -> None:
    judgement = judge(samples([grown] * 30), WITH_EVENTS)

    assert judgement.opinion is Opinion.HOLD
    assert words in judgement.reason


def test_an_event_that_fell_silent_holds() -> None:
    *before, last = samples([with_checkouts(1, 9)] * 30)

    judgement = judge([*before, replace(last, silent=("checkouts",))], WITH_EVENTS)

    assert judgement.opinion is Opinion.HOLD
    assert judgement.reason == "the latest look did not see checkouts"


def took(chance: random.Random, requests: int, seconds: Callable[[random.Random], float]) -> Histogram:
    counts = [0] * (len(BOUNDS) + 1)
    for _ in range(requests):
        each = seconds(chance)
        counts[sum(each > bound for bound in BOUNDS)] += 1
    return Histogram(BOUNDS, tuple(counts))


def latencies(factor: float, seed: int = 1, looks: int = 60) -> list[TrafficSample]:
    chance = random.Random(seed)
    usual: Callable[[random.Random], float] = lambda now: now.lognormvariate(-2.6, 0.5)  # noqa: E731
    grown = [
        (
            Counts(25, 0, latency=took(chance, 25, lambda now: factor * usual(now))),
            Counts(225, 0, latency=took(chance, 225, usual)),
        )
        for _ in range(looks)
    ]
    return samples(grown)


def test_a_canary_that_is_slower_by_more_than_the_minimum_effect_is_bad() -> None:
    judgement = judge(latencies(2.0), WITH_LATENCY)

    assert judgement.opinion is Opinion.BAD
    assert judgement.reason.startswith("95% of the canary's requests took up to 0.")


def test_a_canary_that_is_slower_by_less_than_the_minimum_effect_is_good() -> None:
    judgement = judge(latencies(1.25), WITH_LATENCY)

    assert judgement.streams[1].evidence_ratio > judgement.streams[1].limit
    assert judgement.opinion is Opinion.GOOD
    assert "latency differs by less than the minimum effect" in judgement.reason


def test_a_canary_that_is_as_fast_is_good_whatever_the_draw() -> None:
    opinions = [judge(latencies(1.0, seed, looks=30), WITH_LATENCY).opinion for seed in range(20)]

    assert opinions == [Opinion.GOOD] * 20


def test_what_slows_both_tracks_is_no_regression() -> None:
    chance = random.Random(3)
    grown = []
    for look in range(60):
        middle = -1.0 if look % 10 == 5 else -2.6
        slow: Callable[[random.Random], float] = lambda now, middle=middle: now.lognormvariate(middle, 0.5)  # noqa: E731
        grown.append((Counts(25, 0, latency=took(chance, 25, slow)), Counts(225, 0, latency=took(chance, 225, slow))))

    assert judge(samples(grown), WITH_LATENCY).opinion is Opinion.GOOD


def test_latency_that_nobody_measured_holds() -> None:
    judgement = judge(samples([(Counts(25, 0), Counts(225, 0))] * 30), WITH_LATENCY)

    assert judgement.opinion is Opinion.HOLD
    assert judgement.reason == "latency can't be judged: no latency was measured"


def test_everything_together_stays_below_the_declared_probability() -> None:
    several = replace(PLAIN, events=(CHECKOUTS, replace(CHECKOUTS, name="searches")), latency=LatencyRule())

    spent = 1 / several.error_limit + several.watched / several.other_limit

    assert spent == pytest.approx(several.false_abort_probability)
    assert PLAIN.error_limit == pytest.approx(1 / PLAIN.false_abort_probability)


def failing(canary_errors: int) -> tuple[Counts, Counts]:
    return Counts(25, canary_errors), Counts(225, 1)


def test_errors_of_the_warm_up_are_compared_with_nothing() -> None:
    looks = samples([failing(4)] * 6 + [failing(0)] * 20)

    assert judge(looks, PLAIN).opinion is Opinion.BAD
    assert judge(looks, replace(PLAIN, warm_up_seconds=30.0)).opinion is Opinion.GOOD


def test_the_floor_holds_during_the_warm_up() -> None:
    judgement = judge(samples([failing(10)] * 2), replace(PLAIN, warm_up_seconds=30.0))

    assert judgement.opinion is Opinion.BAD
    assert "floor" in judgement.reason


def test_nothing_passes_by_what_it_answered_while_it_warmed_up() -> None:
    judgement: Judgement = judge(samples([failing(0)] * 6), replace(PLAIN, warm_up_seconds=30.0))

    assert judgement.opinion is Opinion.HOLD
    assert "answered 0 requests in this step" in judgement.reason


def test_history_of_bursts_makes_the_judge_patient_and_of_independent_errors_quick() -> None:
    looks = samples([failing(0)] * 4 + [failing(2)] * 4)
    bursts = History(NOON, NOON, {"errors": Dispersion(6.0, 60)})
    independent = learn([(Counts(100, number % 2), Counts(100, 1 - number % 2)) for number in range(200)], NOON, NOON)

    patient, usual, quick = (judge(looks, PLAIN, history=each).evidence_ratio for each in (bursts, None, independent))

    assert patient < usual < quick
