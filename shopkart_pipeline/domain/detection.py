"""How soon the judge sees a regression, foreseen from the traffic.

The evidence of the sequential test is a random walk whose mean and variance per second follow from the traffic, the
canary's share and the regression. The time at which such a walk first reaches a level has, nearly, the inverse Gaussian
distribution; its quantiles are the promise. It is taken for the tested effect that gets there first, at the level that
this one alone needs in the mixture, and with the dispersion that the judge begins with, so it is cautious where errors
are independent. To it come the intervals that the judge needs at least, one look, and for whole failures the floor's
minimum of requests. Simulations agree (see the tests and docs/judge.md).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

from shopkart_pipeline.domain.judge_policy import JudgePolicy, largest_burst
from shopkart_pipeline.domain.sequential_test import (
    INTERVAL_REQUESTS,
    MINIMUM_INTERVALS,
    MULTIPLES,
    PRIOR,
    Dispersion,
    Worse,
    effects,
)

CONFIDENCE = 0.9
LOOK_SECONDS = 5.0
REACTION_SECONDS = 5.0
"""From the judge's verdict to the last request that the canary gets."""
_LONGEST_SECONDS = 366 * 86400.0
_BISECTIONS = 20
_NORMAL = NormalDist()


@dataclass(frozen=True)
class ExpectedTraffic:
    """What a service gets and answers, both versions together."""

    requests_per_second: float
    error_ratio: float
    """0 to 1; of stable."""
    events_per_second: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Detection:
    """When a regression is seen."""

    effect: float
    """The canary's rate over stable's."""
    median_seconds: float
    within_seconds: float
    """Nine times in ten."""
    harm: float
    """Requests failed or events lost until the traffic is back, where it takes that long."""


@dataclass(frozen=True)
class Stream:
    """One count that the judge tests, with what is needed to foresee it."""

    requests_per_second: float
    hits_per_second: float
    """On both tracks together, if both are alike."""
    tested: tuple[float, ...]
    limit: float
    worse: Worse = Worse.MORE
    floor_error_ratio: float = math.inf
    floor_minimum_requests: int = 0
    dispersion: Dispersion = PRIOR

    @property
    def hit_ratio(self) -> float:
        return self.hits_per_second / self.requests_per_second

    @property
    def largest_effect(self) -> float:
        """The canary fails whatever it gets, or has no event any more."""
        return 1 / self.hit_ratio if self.worse is Worse.MORE else 0.0


def error_stream(traffic: ExpectedTraffic, policy: JudgePolicy, dispersion: Dispersion = PRIOR) -> Stream:
    """Server errors."""
    return Stream(
        requests_per_second=traffic.requests_per_second,
        hits_per_second=traffic.requests_per_second * traffic.error_ratio,
        tested=effects(policy.minimum_effect, Worse.MORE),
        limit=policy.error_limit,
        floor_error_ratio=policy.floor_error_ratio,
        floor_minimum_requests=policy.floor_minimum_requests,
        dispersion=dispersion,
    )


def event_stream(traffic: ExpectedTraffic, policy: JudgePolicy, name: str, dispersion: Dispersion = PRIOR) -> Stream:
    """A declared event; raises `KeyError` where it is not declared or its rate is not known."""
    rule = next((rule for rule in policy.events if rule.name == name), None)
    if rule is None:
        raise KeyError(name)
    return Stream(
        requests_per_second=traffic.requests_per_second,
        hits_per_second=traffic.events_per_second[name],
        tested=effects(rule.minimum_effect, rule.worse),
        limit=policy.other_limit,
        worse=rule.worse,
        dispersion=dispersion,
    )


def detect(stream: Stream, share: float, effect: float, warm_up_seconds: float = 0.0) -> Detection:
    """When a regression is seen.

    Args:
        stream: what is counted.
        share: the canary's part of the traffic, more than 0 and less than 1.
        effect: the canary's rate over stable's.
        warm_up_seconds: at first nothing is compared.
    """
    median = seconds_until(stream, share, effect, 0.5, warm_up_seconds)
    within = seconds_until(stream, share, effect, CONFIDENCE, warm_up_seconds)
    return Detection(effect, median, within, harm(stream, share, effect, within))


def harm(stream: Stream, share: float, effect: float, seconds: float) -> float:
    """What a regression costs that is seen after that time: requests that fail, or events that are lost."""
    return stream.hits_per_second * share * abs(effect - 1) * (seconds + REACTION_SECONDS)


def seconds_until(stream: Stream, share: float, effect: float, chance: float, warm_up_seconds: float) -> float:
    """Seconds within which a regression is seen with that probability."""
    walk = _first_passage(stream, share, effect, chance)
    interval = max(LOOK_SECONDS, INTERVAL_REQUESTS / (stream.requests_per_second * share))
    by_test = warm_up_seconds + max(walk, MINIMUM_INTERVALS * interval)
    return min(by_test, _by_floor(stream, share, effect, chance), _LONGEST_SECONDS) + LOOK_SECONDS


def _by_floor(stream: Stream, share: float, effect: float, chance: float) -> float:
    """Seconds until the error ratio is over the floor after its minimum of requests, with one burst taken off; where
    requests fail independently, so many of them are needed that their mean less its spread is over it."""
    ratio = min(1.0, stream.hit_ratio * effect)
    if ratio <= stream.floor_error_ratio:
        return math.inf
    above, burst = ratio - stream.floor_error_ratio, largest_burst(stream.dispersion.value)
    spread = _NORMAL.inv_cdf(chance) * math.sqrt(ratio * (1 - ratio))
    needed = ((spread + math.sqrt(spread * spread + 4 * above * burst)) / (2 * above)) ** 2
    return max(needed, stream.floor_minimum_requests) / (stream.requests_per_second * share)


def _first_passage(stream: Stream, share: float, effect: float, chance: float) -> float:
    """Seconds within which the evidence for the best tested effect reaches its level with that probability."""
    canary, stable = stream.hits_per_second * share * effect, stream.hits_per_second * (1 - share)

    def drift_of(tested: float) -> float:
        gained, lost = _gains(tested, share)
        return canary * gained + stable * lost

    best = max(stream.tested, key=drift_of)
    drift = drift_of(best)
    if drift <= 0:
        return math.inf
    dispersion, (gained, lost) = stream.dispersion.value, _gains(best, share)
    variance = dispersion * (canary * gained**2 + stable * lost**2)
    level = dispersion * math.log(stream.limit * len(MULTIPLES))
    return _inverse_gaussian(level, drift, variance, chance)


def _gains(tested: float, share: float) -> tuple[float, float]:
    """What one hit on the canary, and one on stable, adds to the evidence."""
    lost = -math.log(tested * share + 1 - share)
    return math.log(tested) + lost, lost


def _inverse_gaussian(level: float, drift: float, variance: float, chance: float) -> float:
    """The quantile of the time at which a walk with that drift and variance per second first reaches a level."""
    low, high = 0.0, level / drift
    while _reached(level, drift, variance, high) < chance:
        low, high = high, 2 * high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _reached(level, drift, variance, middle) < chance else (low, middle)
    return high


def _reached(level: float, drift: float, variance: float, seconds: float) -> float:
    spread = math.sqrt(variance * seconds)
    reflected = _NORMAL.cdf(-(level + drift * seconds) / spread)
    exponent = 2 * level * drift / variance
    again = math.exp(exponent + math.log(reflected)) if reflected > 0 else 0.0
    return _NORMAL.cdf((drift * seconds - level) / spread) + again
