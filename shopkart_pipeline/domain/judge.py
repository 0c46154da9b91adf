"""Is the canary worse than stable? A sequential test that may be looked at as often as one likes.

While canary and stable serve side by side, each server error is a draw: if both versions were alike, it would fall
on the canary with the probability of the canary's share of the requests in that interval. The judge multiplies,
interval by interval, the likelihood ratio of "the canary's error rate is r times stable's" against "alike", mixed
over several r from the declared minimum effect upwards. Under "alike" such a product exceeds 1/alpha with a
probability of at most alpha, however often one looks (Ville's inequality), so watching does not inflate false aborts.

Looks that saw few requests are joined to one interval, since a draw between one request and one says next to nothing.
Errors come in bursts, and a burst falls on one track: so the log ratio is divided by a dispersion, the variance over
the mean of a track's errors per interval (the larger one of both tracks, drawn towards two while there are few
intervals). An absolute floor aborts at once. No data is `HOLD`:
neither good nor bad, and the rollout's deadline ends the wait with a rollback. Good news has to be fresh: the canary
must have answered enough requests in the present step, stable must have answered some to compare with, and the
latest look must have seen something.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, pvariance

from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample

_EFFECTS = (1.0, 2.5, 10.0, 50.0)
"""Multiples of the minimum effect over which the test is mixed, with equal weight."""
_INTERVAL_REQUESTS = 5
"""Requests that each track has answered in an interval, at least."""
_MINIMUM_INTERVALS = 5
"""Before, a burst can't be told from a regression."""
_PRIOR_DISPERSION = 2.0
_PRIOR_INTERVALS = 5
"""How many intervals' weight the prior has."""

_Interval = tuple[Counts, Counts]
"""What canary and stable answered."""


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


def judge(
    samples: Sequence[TrafficSample | MetricsMissing], policy: JudgePolicy, step_since: datetime | None = None
) -> Judgement:
    """Judge a canary from cumulative counts, oldest first; gaps leave the evidence unchanged.

    Args:
        samples: cumulative counts of both tracks since the canary first got traffic, one per look.
        policy: limits as declared.
        step_since: when the present step began; requests answered before don't count for its minimum.
    """
    known = [sample for sample in samples if isinstance(sample, TrafficSample)]
    if len(known) < 2:
        return NOT_JUDGED
    deltas = [(after.canary - before.canary, after.stable - before.stable) for before, after in pairwise(known)]
    canary = sum((delta for delta, _ in deltas), Counts(0, 0))
    stable = sum((delta for _, delta in deltas), Counts(0, 0))
    ratio = _evidence_ratio(deltas, policy.minimum_effect)
    bad = _sign_of_regression(canary, stable, ratio, policy)
    if bad is not None:
        return Judgement(Opinion.BAD, bad, canary, stable, ratio)
    fresh = [
        delta
        for before, (delta, _) in zip(known, deltas, strict=False)
        if step_since is None or before.at >= step_since
    ]
    lacking = _lacking(samples[-1], sum(delta.requests for delta in fresh), stable, policy)
    if lacking is not None:
        return Judgement(Opinion.HOLD, lacking, canary, stable, ratio)
    limit = 1.0 / policy.false_abort_probability
    reason = f"{_counted(canary, stable)}: no sign of a regression (evidence ratio {ratio:.2g} < {limit:.0f})"
    return Judgement(Opinion.GOOD, reason, canary, stable, ratio)


def _sign_of_regression(canary: Counts, stable: Counts, ratio: float, policy: JudgePolicy) -> str | None:
    counted, limit = _counted(canary, stable), 1.0 / policy.false_abort_probability
    if canary.requests >= policy.floor_minimum_requests and canary.error_ratio > policy.floor_error_ratio:
        return f"{counted}: error ratio {canary.error_ratio:.3f} > floor {policy.floor_error_ratio:.3f}"
    if ratio >= limit:
        return f"{counted}: a regression is {ratio:.0f} times likelier than none (limit {limit:.0f})"
    return None


def _lacking(latest: TrafficSample | MetricsMissing, answered: int, stable: Counts, policy: JudgePolicy) -> str | None:
    """What is still missing for a good opinion."""
    if isinstance(latest, MetricsMissing):
        return f"the latest look at the metrics failed: {latest.reason}"
    if answered < policy.minimum_canary_requests:
        needed = policy.minimum_canary_requests
        return f"the canary answered {answered} requests in this step (at least {needed} are needed)"
    if stable.requests == 0:
        return "stable answered no request: there is nothing to compare the canary with"
    return None


def _counted(canary: Counts, stable: Counts) -> str:
    return (
        f"{canary.errors} of {canary.requests} canary requests failed, {stable.errors} of {stable.requests} on stable"
    )


def _evidence_ratio(looks: Sequence[_Interval], minimum_effect: float) -> float:
    intervals = _joined(looks)
    if len(intervals) < _MINIMUM_INTERVALS:
        return 1.0
    dispersion = max(_dispersion([counts.errors for counts in track]) for track in zip(*intervals, strict=True))
    effects = [minimum_effect * multiple for multiple in _EFFECTS]
    totals = [sum(_log_ratio(canary, stable, effect) for canary, stable in intervals) for effect in effects]
    return fmean(math.exp(min(total / dispersion, 700.0)) for total in totals)


def _joined(looks: Sequence[_Interval]) -> list[_Interval]:
    """Intervals in which both tracks answered something; where one ends depends on requests, never on errors."""
    intervals: list[_Interval] = []
    canary = stable = Counts(0, 0)
    for canary_growth, stable_growth in looks:
        canary, stable = canary + canary_growth, stable + stable_growth
        if min(canary.requests, stable.requests) >= _INTERVAL_REQUESTS:
            intervals.append((canary, stable))
            canary = stable = Counts(0, 0)
    return [*intervals, (canary, stable)]


def _log_ratio(canary: Counts, stable: Counts, effect: float) -> float:
    """Log likelihood ratio of one interval's errors, given how the requests were split."""
    requests, errors = canary.requests + stable.requests, canary.errors + stable.errors
    if errors == 0 or canary.requests == 0 or stable.requests == 0:
        return 0.0
    alike = canary.requests / requests
    worse = effect * canary.requests / (effect * canary.requests + stable.requests)
    return canary.errors * math.log(worse / alike) + stable.errors * math.log((1 - worse) / (1 - alike))


def _dispersion(errors: Sequence[int]) -> float:
    """Variance over mean, drawn towards the prior; at least one (as for independent errors)."""
    mean = fmean(errors)
    if mean == 0:
        return 1.0
    known, prior = len(errors) * pvariance(errors) / mean, _PRIOR_INTERVALS * _PRIOR_DISPERSION
    return max(1.0, (known + prior) / (len(errors) + _PRIOR_INTERVALS))
