"""Good canaries judged by everything at once: errors, checkouts and latency share one probability of a false abort."""

import random
from collections.abc import Sequence
from dataclasses import replace

from shopkart_pipeline.cli.bench.judging.traffic import poisson
from shopkart_pipeline.domain.judge_policy import EventRule, JudgePolicy, LatencyRule
from shopkart_pipeline.domain.sequential_test import Draws, SequentialTest, Worse, effects

TOGETHER = "errors, checkouts and latency at once"
_REQUESTS_PER_SECOND, _CANARY_SHARE = 50.0, 0.1
_RATIOS = (0.005, 0.04, 0.05)
"""Of errors, checkouts and requests slower than stable's 95 % quantile, per request."""


def false_aborts_together(policy: JudgePolicy, seeds: Sequence[int], seconds: float, look_seconds: float) -> int:
    """How many of the good canaries any of three streams aborts; latency without the minimum effect that protects it
    further."""
    checkouts = EventRule("checkouts", "POST", (303, 303))
    all_of_it = replace(policy, events=(checkouts,), latency=LatencyRule())
    return sum(_aborts(all_of_it, seed, seconds, look_seconds) for seed in seeds)


def _aborts(policy: JudgePolicy, seed: int, seconds: float, look_seconds: float) -> bool:
    chance = random.Random(seed)  # noqa: S311
    more, fewer = effects(policy.minimum_effect, Worse.MORE), effects(policy.events[0].minimum_effect, Worse.FEWER)
    tests = [
        (SequentialTest(more), policy.error_limit),
        (SequentialTest(fewer), policy.other_limit),
        (SequentialTest(tuple(20.0**power for power in (0.2, 0.4, 0.6, 0.8))), policy.other_limit),
    ]
    requests = _REQUESTS_PER_SECOND * look_seconds
    for _ in range(int(seconds / look_seconds)):
        canary, stable = poisson(chance, requests * _CANARY_SHARE), poisson(chance, requests * (1 - _CANARY_SHARE))
        for (test, limit), ratio in zip(tests, _RATIOS, strict=True):
            test.add(_hits(chance, canary, ratio), _hits(chance, stable, ratio))
            if test.ratio >= limit:
                return True
    return False


def _hits(chance: random.Random, requests: int, ratio: float) -> Draws:
    return Draws(requests, min(requests, poisson(chance, requests * ratio)))
