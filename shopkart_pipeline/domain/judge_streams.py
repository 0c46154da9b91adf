"""What is tested beside the floor: errors, declared events and latency, each as a stream of counts.

Latency becomes counts by a bound: a request is slow if it took longer than stable's declared quantile. The bound is
taken from stable's first requests and then fixed, so it does not depend on what it is used to judge. How slow requests
split between both tracks is a sequential test like that of errors; so a slow database, which slows both, is no
regression. The test alone would abort on any real difference, however small: so the canary's quantile must also be the
declared multiple of stable's, over all that was measured.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.history import ERRORS, History
from shopkart_pipeline.domain.judge_policy import EventRule, JudgePolicy, LatencyRule
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.sequential_test import PRIOR, Dispersion, Draws, SequentialTest, Worse, effects
from shopkart_pipeline.domain.traffic import LATENCY, Counts

BOUND_REQUESTS = 100
"""Requests of stable from which the bound between fast and slow is taken."""
_SLOW_EXPONENTS = (0.2, 0.4, 0.6, 0.8)
"""If a share of 1-q is slow on stable, the canary can have at most 1/(1-q) times as many: powers of that are tested."""

Interval = tuple[Counts, Counts]
"""What canary and stable answered."""


@dataclass(frozen=True)
class StreamEvidence:
    """What one stream says."""

    stream: str
    evidence_ratio: float
    """How many times likelier the counts are under a regression than under no change."""
    limit: float
    dispersion: float
    words: str
    is_regression: bool
    missing: str | None = None
    """Why there is no evidence, where that is so."""


def error_evidence(intervals: Sequence[Interval], policy: JudgePolicy, history: History | None) -> StreamEvidence:
    """Server errors; `words` is left to the judge, who counts over a longer time."""
    pairs = [(Draws(one.requests, one.errors), Draws(two.requests, two.errors)) for one, two in intervals]
    tested = effects(policy.minimum_effect, Worse.MORE)
    ratio, dispersion = _tested(pairs, tested, prior(history, ERRORS))
    return StreamEvidence(ERRORS, ratio, policy.error_limit, dispersion, "", ratio >= policy.error_limit)


def event_evidence(
    rule: EventRule, intervals: Sequence[Interval], policy: JudgePolicy, history: History | None
) -> StreamEvidence:
    """A declared business event."""
    name, limit = rule.name, policy.other_limit
    pairs = [
        (Draws(one.requests, one.events[name]), Draws(two.requests, two.events[name]))
        for one, two in intervals
        if name in one.events and name in two.events
    ]
    ratio, dispersion = _tested(pairs, effects(rule.minimum_effect, rule.worse), prior(history, name))
    (requests, hits), (stable_requests, stable_hits) = _sum(draws for draws, _ in pairs), _sum(d for _, d in pairs)
    words = f"{hits} {name} in {requests} canary requests, {stable_hits} in {stable_requests} on stable"
    missing = None
    if not pairs:
        missing = f"{name} were not counted on both sides"
    elif stable_hits == 0 and rule.worse is Worse.FEWER:
        missing = f"stable had no {name}: there is nothing to compare the canary with"
    return StreamEvidence(name, ratio, limit, dispersion, words, ratio >= limit, missing)


def latency_evidence(rule: LatencyRule, intervals: Sequence[Interval], policy: JudgePolicy) -> StreamEvidence:
    """Latency by a quantile."""
    limit = policy.other_limit
    pairs = [(one.latency, two.latency) for one, two in intervals if one.latency and two.latency]
    pairs = [pair for pair in pairs if pair[0].bounds == pair[1].bounds == pairs[-1][0].bounds]
    bound, used = _bound([stable for _, stable in pairs], rule.quantile)
    if bound is None:
        why = "no latency was measured" if not pairs else "too few requests, or they are slower than the last bucket"
        return StreamEvidence(LATENCY, 1.0, limit, PRIOR.value, "", False, why)
    draws = [(_slow(canary, bound), _slow(stable, bound)) for canary, stable in pairs[used:]]
    largest = 1 / (1 - rule.quantile)
    ratio, dispersion = _tested(draws, tuple(largest**each for each in _SLOW_EXPONENTS), PRIOR)
    canary, stable = (_quantile([pair[track] for pair in pairs], rule.quantile) for track in (0, 1))
    words = f"{rule.quantile:.0%} of the canary's requests took up to {canary:.3g} s, of stable's up to {stable:.3g} s"
    worse = ratio >= limit and canary >= rule.minimum_effect * stable
    return StreamEvidence(LATENCY, ratio, limit, dispersion, words, worse)


def _bound(stable: Sequence[Histogram], quantile: float) -> tuple[float | None, int]:
    """The bound between fast and slow, and how many intervals it was taken from."""
    seen: Histogram | None = None
    for used, each in enumerate(stable, start=1):
        seen = each if seen is None else seen + each
        if seen.total >= BOUND_REQUESTS and (bound := seen.bound_at(quantile)) is not None:
            return bound, used
    return None, len(stable)


def _quantile(histograms: Sequence[Histogram], quantile: float) -> float:
    first, *others = histograms
    for each in others:
        first += each
    return first.quantile(quantile)


def _slow(histogram: Histogram, bound: float) -> Draws:
    return Draws(histogram.total, histogram.above(bound))


def prior(history: History | None, stream: str) -> Dispersion:
    """What is known of a stream's dispersion before there is a canary."""
    return history.prior(stream) if history else PRIOR


def _tested(pairs: Sequence[tuple[Draws, Draws]], tested: tuple[float, ...], prior: Dispersion) -> tuple[float, float]:
    test = SequentialTest(tested, prior)
    for canary, stable in pairs:
        test.add(canary, stable)
    return test.ratio, test.dispersion


def _sum(draws: Iterable[Draws]) -> tuple[int, int]:
    requests = hits = 0
    for each in draws:
        requests, hits = requests + each.requests, hits + each.hits
    return requests, hits
