"""What is promised before a release is what the judge then does, and a harm budget is kept by the step it chooses."""

import random
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.detection import (
    REACTION_SECONDS,
    ExpectedTraffic,
    Stream,
    detect,
    error_stream,
    event_stream,
)
from shopkart_pipeline.domain.harm_budget import LARGEST_WEIGHT_PERCENT, Choice, choose
from shopkart_pipeline.domain.judge_policy import EventRule, JudgePolicy
from shopkart_pipeline.domain.promise import in_words, promises
from shopkart_pipeline.domain.sequential_test import Dispersion, Draws, SequentialTest, Worse

POLICY = JudgePolicy(2.0, 0.005, 0.2, 20, 20)
WITH_EVENTS = replace(POLICY, events=(EventRule("checkouts", "POST", (303, 303), minimum_effect=4.0),))


def poisson(chance: random.Random, mean: float) -> int:
    count, left = 0, chance.expovariate(1.0)
    while left < mean:
        count, left = count + 1, left + chance.expovariate(1.0)
    return count


def found_after(stream: Stream, share: float, effect: float, seed: int, look_seconds: float = 1.0) -> float:
    """Seconds until the real test finds a regression in simulated traffic."""
    chance, test = random.Random(seed), SequentialTest(stream.tested, stream.dispersion)
    to_canary = round(stream.requests_per_second * share * look_seconds)
    to_stable = round(stream.requests_per_second * (1 - share) * look_seconds)
    hits, seconds = stream.hits_per_second * look_seconds, 0.0
    while test.ratio < stream.limit:
        seconds += look_seconds
        canary, stable = poisson(chance, hits * share * effect), poisson(chance, hits * (1 - share))
        test.add(Draws(to_canary, canary), Draws(to_stable, stable))
    return seconds


@pytest.mark.parametrize(("error_ratio", "effect"), [(0.02, 3.0), (0.01, 10.0), (0.03, 4.0)])
def test_the_judge_keeps_the_promise_and_the_promise_is_not_far_off(error_ratio: float, effect: float) -> None:
    stream = error_stream(ExpectedTraffic(50, error_ratio), POLICY, Dispersion(1.0, 60))

    found = sorted(found_after(stream, 0.1, effect, seed) for seed in range(80))
    promised = detect(stream, 0.1, effect)

    assert found[int(0.9 * len(found))] <= promised.within_seconds * 1.15
    assert promised.median_seconds <= 2 * median(found) + 10


def test_of_a_tripled_error_rate_it_says_what_the_issue_asks() -> None:
    """Twelve requests a second, ten percent canary: with five percent of errors a tripled rate takes four minutes."""
    known = error_stream(ExpectedTraffic(12, 0.05), POLICY, Dispersion(1.0, 60))

    assert detect(known, 0.1, 3.0).within_seconds <= 240


@pytest.mark.parametrize("worse", ["requests", "share", "error ratio", "effect"])
def test_more_to_see_is_seen_sooner(worse: str) -> None:
    traffic = {"requests": ExpectedTraffic(10, 0.01), "error ratio": ExpectedTraffic(20, 0.005)}
    less = error_stream(traffic.get(worse, ExpectedTraffic(20, 0.01)), POLICY)
    more = error_stream(ExpectedTraffic(20, 0.01), POLICY)

    slow = detect(less, 0.05 if worse == "share" else 0.1, 2.5 if worse == "effect" else 3.0)

    assert detect(more, 0.1, 3.0).within_seconds < slow.within_seconds


def test_a_canary_that_fails_everything_meets_the_floor() -> None:
    stream = error_stream(ExpectedTraffic(50, 0.005), POLICY)

    assert detect(stream, 0.1, 200.0).within_seconds <= 10


def test_a_warm_up_delays_what_is_promised() -> None:
    stream = error_stream(ExpectedTraffic(50, 0.02), POLICY)

    later = detect(stream, 0.1, 3.0, 60.0).within_seconds - detect(stream, 0.1, 3.0).within_seconds

    assert later == pytest.approx(60.0)


def test_a_budget_of_failed_requests_chooses_the_largest_weight_that_keeps_it() -> None:
    stream = error_stream(ExpectedTraffic(50, 0.005), POLICY)

    small, large = choose(stream, 100, 2.0), choose(stream, 200, 2.0)

    assert isinstance(small, Choice)
    assert isinstance(large, Choice)
    assert small.weight_percent < large.weight_percent <= LARGEST_WEIGHT_PERCENT
    assert small.bake_seconds > large.bake_seconds
    assert small.worst.harm <= 100


def test_a_budget_that_no_canary_can_keep_says_what_it_would_take() -> None:
    stream = error_stream(ExpectedTraffic(50, 0.005), POLICY)

    least = choose(stream, 5, 2.0)

    assert isinstance(least, float)
    assert isinstance(choose(stream, round(least) + 1, 2.0), Choice)


def test_a_budget_of_lost_checkouts_counts_checkouts() -> None:
    traffic = ExpectedTraffic(12, 0.005, {"checkouts": 0.5})
    stream = event_stream(traffic, WITH_EVENTS, "checkouts", Dispersion(1.0, 60))

    chosen = choose(stream, 30, 4.0)

    assert stream.worse is Worse.FEWER
    assert isinstance(chosen, Choice)
    assert chosen.worst.harm <= 30
    everything = detect(stream, chosen.weight_percent / 100, 0.0)
    lost_a_second = 0.5 * chosen.weight_percent / 100
    assert everything.harm == pytest.approx(lost_a_second * (everything.within_seconds + REACTION_SECONDS))


def test_an_event_that_nobody_declared_has_no_promise() -> None:
    with pytest.raises(KeyError):
        event_stream(ExpectedTraffic(12, 0.005, {"searches": 1.0}), WITH_EVENTS, "searches")


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 1000), st.floats(0.0005, 0.2), st.integers(1, 5000), st.floats(1.1, 10))
def test_whatever_is_chosen_keeps_the_budget(
    requests_per_second: float, error_ratio: float, budget: int, minimum_effect: float
) -> None:
    stream = error_stream(ExpectedTraffic(requests_per_second, error_ratio), POLICY)

    chosen = choose(stream, budget, minimum_effect)

    if isinstance(chosen, Choice):
        assert 1 <= chosen.weight_percent <= LARGEST_WEIGHT_PERCENT
        assert chosen.worst.harm <= budget
        assert chosen.bake_seconds > 0
    else:
        assert chosen > budget


def test_a_promise_in_words_has_a_sentence_for_each_stream_and_step() -> None:
    traffic = ExpectedTraffic(12, 0.05, {"checkouts": 0.5, "undeclared": 1.0})

    first, second, *others = [in_words(each) for each in promises([10, 40], WITH_EVENTS, traffic)]

    assert first.startswith("At 12 requests a second, 5 % errors and 10 % canary: a tripled rate is seen within ")
    assert "a third of the checkouts is seen within" in second
    assert "a canary without any checkouts is turned back after about" in second
    assert second.endswith("false aborts at most 0.25 %.")
    assert len(others) == 2


def test_no_promise_is_about_a_rate_that_can_not_be() -> None:
    [promise] = promises([100], POLICY, ExpectedTraffic(12, 0.2))

    assert [each.effect for each in promise.detections] == pytest.approx([3.0, 5.0])
    assert promise.weight_percent == 99
