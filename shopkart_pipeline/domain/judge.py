"""Is the canary worse than stable? Every look may decide, because the test behind it allows that.

Errors, every declared business event and latency are streams of their own (`domain.judge_streams`), each with a share
of the declared probability of a false abort (`domain.judge_policy`) and one test (`domain.sequential_test`). Any of
them may abort; to pass, all must have been seen. An absolute floor of the error ratio aborts at once, whatever stable
does and also while the canary warms up; of the errors, one burst as large as bursts may be is taken off first, because
it would be over any floor if it came first.

No data is `HOLD`: neither good nor bad, and the rollout's deadline ends the wait with a rollback. Good news has to be
fresh: the canary must have answered enough requests in the present step, after its warm-up, stable must have answered
some to compare with, and the latest look must have seen something, every declared stream included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from shopkart_pipeline.domain.history import ERRORS, History
from shopkart_pipeline.domain.judge_policy import EventRule, JudgePolicy, LatencyRule
from shopkart_pipeline.domain.judge_streams import (
    Interval,
    StreamEvidence,
    error_evidence,
    event_evidence,
    latency_evidence,
    prior,
)
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample

__all__ = ["NOT_JUDGED", "EventRule", "Judgement", "JudgePolicy", "LatencyRule", "Opinion", "judge"]

Look = TrafficSample | MetricsMissing


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
    """How many times likelier the errors are under a regression than under no change."""
    streams: tuple[StreamEvidence, ...] = ()
    """Errors first, then whatever else is declared."""


NOT_JUDGED = Judgement(Opinion.HOLD, "no traffic has been measured yet", Counts(0, 0), Counts(0, 0), 1.0)


def judge(
    samples: Sequence[Look],
    policy: JudgePolicy,
    step_since: datetime | None = None,
    history: History | None = None,
) -> Judgement:
    """Judge a canary from cumulative counts, oldest first; gaps leave the evidence unchanged.

    Args:
        samples: cumulative counts of both tracks since the canary first got traffic, one per look.
        policy: limits as declared.
        step_since: when the present step began; requests answered before don't count for its minimum.
        history: what stable showed against itself before; without it, a cautious assumption stands in.
    """
    known = [sample for sample in samples if isinstance(sample, TrafficSample)]
    if len(known) < 2:
        return NOT_JUDGED
    deltas = [after.growth_since(before) for before, after in pairwise(known)]
    canary = sum((delta for delta, _ in deltas), Counts(0, 0))
    stable = sum((delta for _, delta in deltas), Counts(0, 0))
    warm_at = known[0].at + timedelta(seconds=policy.warm_up_seconds)
    warm = [delta for before, delta in zip(known, deltas, strict=False) if before.at >= warm_at]
    streams = _streams(warm, policy, history)
    ratio = streams[0].evidence_ratio
    over_floor = policy.is_over_floor(canary.requests, canary.errors, prior(history, ERRORS).value)
    bad = _sign_of_regression(canary, stable, streams, policy, over_floor=over_floor)
    if bad is not None:
        return Judgement(Opinion.BAD, bad, canary, stable, ratio, streams)
    since = warm_at if step_since is None else max(step_since, warm_at)
    fresh = [delta for before, (delta, _) in zip(known, deltas, strict=False) if before.at >= since]
    answered = sum(delta.requests for delta in fresh)
    lacking = _lacking(samples[-1], answered, canary, stable, streams, policy)
    if lacking is not None:
        return Judgement(Opinion.HOLD, lacking, canary, stable, ratio, streams)
    reason = f"{_counted(canary, stable)}: no sign of a regression{_no_sign(streams)}"
    return Judgement(Opinion.GOOD, reason, canary, stable, ratio, streams)


def _streams(intervals: Sequence[Interval], policy: JudgePolicy, history: History | None) -> tuple[StreamEvidence, ...]:
    latency = (latency_evidence(policy.latency, intervals, policy),) if policy.latency else ()
    events = (event_evidence(rule, intervals, policy, history) for rule in policy.events)
    return (error_evidence(intervals, policy, history), *events, *latency)


def _sign_of_regression(
    canary: Counts, stable: Counts, streams: Sequence[StreamEvidence], policy: JudgePolicy, *, over_floor: bool
) -> str | None:
    counted = _counted(canary, stable)
    if over_floor:
        return f"{counted}: error ratio {canary.error_ratio:.3f} > floor {policy.floor_error_ratio:.3f}"
    for each in streams:
        if each.is_regression:
            likelier = f"a regression is {each.evidence_ratio:.0f} times likelier than none (limit {each.limit:.0f})"
            return f"{each.words or counted}: {likelier}"
    return None


def _lacking(
    latest: Look,
    answered: int,
    canary: Counts,
    stable: Counts,
    streams: Sequence[StreamEvidence],
    policy: JudgePolicy,
) -> str | None:
    """What is still missing for a good opinion."""
    if isinstance(latest, MetricsMissing):
        return f"the latest look at the metrics failed: {latest.reason}"
    if answered < policy.minimum_canary_requests:
        needed = policy.minimum_canary_requests
        return f"the canary answered {answered} requests in this step (at least {needed} are needed)"
    if canary.error_ratio > policy.floor_error_ratio:
        return f"{_counted(canary, stable)}: more than the floor allows, if it is no single burst"
    if stable.requests == 0:
        return "stable answered no request: there is nothing to compare the canary with"
    for each in streams:
        if each.stream in latest.silent:
            return f"the latest look did not see {each.stream}"
        if each.missing is not None:
            return f"{each.stream} can't be judged: {each.missing}"
    return None


def _counted(canary: Counts, stable: Counts) -> str:
    return (
        f"{canary.errors} of {canary.requests} canary requests failed, {stable.errors} of {stable.requests} on stable"
    )


def _no_sign(streams: Sequence[StreamEvidence]) -> str:
    errors, *others = streams
    shown = [f"evidence ratio {errors.evidence_ratio:.2g} < {errors.limit:.0f}"]
    shown += [f"{each.stream} {_below(each)}" for each in others]
    return f" ({'; '.join(shown)})"


def _below(stream: StreamEvidence) -> str:
    if stream.evidence_ratio < stream.limit:
        return f"{stream.evidence_ratio:.2g} < {stream.limit:.0f}"
    return "differs by less than the minimum effect"
