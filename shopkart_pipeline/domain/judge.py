"""Is the canary worse than stable? A sequential test that may be looked at as often as one likes.

While canary and stable serve side by side, each server error is a draw: if both versions were alike, it would fall
on the canary with the probability of the canary's share of the requests in that interval. The judge multiplies,
interval by interval, the likelihood ratio of "the canary's error rate is r times stable's" against "alike", mixed
over several r from the declared minimum effect upwards. Under "alike" such a product exceeds 1/alpha with a
probability of at most alpha, however often one looks (Ville's inequality), so watching does not inflate false aborts.

Errors come in bursts, so each interval's log ratio is divided by a dispersion of at least one, estimated from
stable alone (variance over mean of its errors per interval). An absolute floor aborts at once. No data is `HOLD`:
neither good nor bad, and the rollout's deadline ends the wait with a rollback.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, pvariance

from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample

_EFFECTS = (1.0, 2.5, 10.0, 50.0)
"""Multiples of the minimum effect over which the test is mixed, with equal weight."""


class Opinion(StrEnum):
    """What the judge thinks."""

    GOOD = "good"
    HOLD = "hold"
    BAD = "bad"


@dataclass(frozen=True)
class Judgement:
    """An opinion with its reason and the numbers behind it."""

    opinion: Opinion
    reason: str
    canary: Counts
    stable: Counts
    evidence_ratio: float
    """How many times likelier the data are under a regression than under no change."""


@dataclass(frozen=True)
class JudgePolicy:
    """See `domain.declaration.Analysis`, which this mirrors without knowing about declarations."""

    minimum_effect: float
    false_abort_probability: float
    floor_error_ratio: float
    floor_minimum_requests: int
    minimum_canary_requests: int


NOT_JUDGED = Judgement(Opinion.HOLD, "no traffic has been measured yet", Counts(0, 0), Counts(0, 0), 1.0)


def judge(samples: Sequence[TrafficSample | MetricsMissing], policy: JudgePolicy) -> Judgement:
    """Judge a canary from cumulative counts, oldest first; gaps leave the evidence unchanged.

    Args:
        samples: cumulative counts of both tracks since the canary first got traffic, one per look.
        policy: limits as declared.
    """
    known = [sample for sample in samples if isinstance(sample, TrafficSample)]
    if len(known) < 2:
        return NOT_JUDGED
    deltas = [(after.canary - before.canary, after.stable - before.stable) for before, after in pairwise(known)]
    canary = sum((delta for delta, _ in deltas), Counts(0, 0))
    stable = sum((delta for _, delta in deltas), Counts(0, 0))
    ratio = _evidence_ratio(deltas, policy.minimum_effect)
    opinion, reason = _opinion(canary, stable, ratio, policy)
    if opinion is Opinion.GOOD and isinstance(samples[-1], MetricsMissing):
        opinion, reason = Opinion.HOLD, f"the latest look at the metrics failed: {samples[-1].reason}"
    return Judgement(opinion, reason, canary, stable, ratio)


def _opinion(canary: Counts, stable: Counts, ratio: float, policy: JudgePolicy) -> tuple[Opinion, str]:
    errors = (
        f"{canary.errors} of {canary.requests} canary requests failed, {stable.errors} of {stable.requests} on stable"
    )
    if canary.requests >= policy.floor_minimum_requests and canary.error_ratio > policy.floor_error_ratio:
        return Opinion.BAD, (f"{errors}: error ratio {canary.error_ratio:.3f} > floor {policy.floor_error_ratio:.3f}")
    limit = 1.0 / policy.false_abort_probability
    if ratio >= limit:
        return (
            Opinion.BAD,
            f"{errors}: a regression is {ratio:.0f} times likelier than none (limit {limit:.0f})",
        )
    if canary.requests < policy.minimum_canary_requests:
        return Opinion.HOLD, (
            f"the canary answered {canary.requests} requests (at least {policy.minimum_canary_requests} are needed)"
        )
    return Opinion.GOOD, f"{errors}: no sign of a regression (evidence ratio {ratio:.2g} < {limit:.0f})"


def _evidence_ratio(deltas: Sequence[tuple[Counts, Counts]], minimum_effect: float) -> float:
    dispersion = _dispersion([stable.errors for _, stable in deltas])
    effects = [minimum_effect * multiple for multiple in _EFFECTS]
    totals = [sum(_log_ratio(canary, stable, effect) for canary, stable in deltas) for effect in effects]
    return fmean(math.exp(min(total / dispersion, 700.0)) for total in totals)


def _log_ratio(canary: Counts, stable: Counts, effect: float) -> float:
    """Log likelihood ratio of one interval's errors, given how the requests were split."""
    requests, errors = canary.requests + stable.requests, canary.errors + stable.errors
    if errors == 0 or canary.requests == 0 or stable.requests == 0:
        return 0.0
    alike = canary.requests / requests
    worse = effect * canary.requests / (effect * canary.requests + stable.requests)
    return canary.errors * math.log(worse / alike) + stable.errors * math.log((1 - worse) / (1 - alike))


def _dispersion(errors: Sequence[int]) -> float:
    """Variance over mean of stable's errors per interval; one (as for independent errors) where it is unknown."""
    mean = fmean(errors) if errors else 0.0
    return max(1.0, pvariance(errors) / mean) if len(errors) >= 5 and mean > 0 else 1.0
