"""Streams of requests and errors, as a route would count them for a canary and for stable.

Everything follows from a seed. Requests arrive independently at a rate, the route gives the canary its share of them,
and they fail at a ratio; scenarios change one of these, and nothing else. A stream can be had as `halves` too: stable
against itself, without a canary, from which a judge may learn what is usual.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from shopkart_pipeline.domain.sequential_test import Draws

CYCLE_SECONDS = 1800.0
"""A day, made so short that a trial sees all of it."""
_SWING = 0.8
_NORMAL_FROM = 30.0
"""Above that mean a rounded normal draw stands for a Poisson one, because it takes no time."""


class Look(NamedTuple):
    """What was counted since the look before; None where the metrics server did not answer."""

    seconds: float
    """Since the canary first had traffic."""
    canary: Draws | None
    stable: Draws | None


@dataclass(frozen=True)
class Scenario:
    """How requests arrive and fail. By itself: independent errors."""

    name: str
    requests_per_second: float = 50.0
    canary_share: float = 0.1
    error_ratio: float = 0.005
    effect: float = 1.0
    """The canary's error ratio over stable's."""
    burst: float = 1.0
    """How many errors come at once on the mean, all on one track."""
    cycle: bool = False
    """Whether traffic and error ratio rise and fall, as over a day."""
    warm_up_seconds: float = 0.0
    """So long after its start the canary fails `warm_up_effect` times as often."""
    warm_up_effect: float = 1.0
    silent_from_seconds: float = math.inf
    """From then on the metrics server does not answer."""

    def looks(self, seed: int, seconds: float, look_seconds: float) -> Iterator[Look]:
        """One stream."""
        chance = random.Random(seed)  # noqa: S311
        phase = chance.random() if self.cycle else 0.0
        for number in range(1, int(seconds / look_seconds) + 1):
            now = number * look_seconds
            swing = 1 + _SWING * math.sin(2 * math.pi * (now / CYCLE_SECONDS + phase)) if self.cycle else 1.0
            requests = self.requests_per_second * swing * look_seconds
            warming = now <= self.warm_up_seconds
            ratio = self.error_ratio * swing
            worse = ratio * self.effect * (self.warm_up_effect if warming else 1.0)
            canary = _track(chance, requests * self.canary_share, worse, self.burst)
            stable = _track(chance, requests * (1 - self.canary_share), ratio, self.burst)
            seen = now < self.silent_from_seconds
            yield Look(now, canary if seen else None, stable if seen else None)

    def halves(self) -> "Scenario":
        """Stable's two halves, before there was a canary."""
        return replace(self, canary_share=0.5, effect=1.0, warm_up_seconds=0.0, silent_from_seconds=math.inf)


def _track(chance: random.Random, requests: float, ratio: float, burst: float) -> Draws:
    answered = poisson(chance, requests)
    if burst == 1.0:
        return Draws(answered, min(answered, poisson(chance, answered * ratio)))
    bursts = poisson(chance, answered * ratio / burst)
    failed = sum(_burst(chance, burst) for _ in range(bursts))
    return Draws(answered, min(answered, failed))


def _burst(chance: random.Random, mean: float) -> int:
    """A geometric number, at least one."""
    return 1 + int(math.log(1 - chance.random()) / math.log(1 - 1 / mean))


def poisson(chance: random.Random, mean: float) -> int:
    """A number of independent arrivals."""
    if mean > _NORMAL_FROM:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count, product = count + 1, product * chance.random()
    return count
