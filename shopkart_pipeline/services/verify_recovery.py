"""Recovery is verified, not assumed: users are answered within every objective, by what was counted after the trouble.

Looks are a second apart, and few requests add up. A metrics server that is silent, a latency that nobody measures and
too few requests are no recovery, and neither is the absence of an alert.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.services.platform import Platform

WINDOW_SECONDS = 1.0
DEADLINE_SECONDS = 30.0
MINIMUM_REQUESTS = 10
_DEFAULT = Objective("error_ratio", 0.01, 60.0)
"""Where nothing is promised: an incident is not over while a hundredth of the requests fails."""


@dataclass(frozen=True)
class Recovered:
    """When users were first seen to be well again, and by which numbers."""

    at: datetime
    words: str


@dataclass(frozen=True)
class NotRecovered:
    """Why nobody can say that users are well again."""

    reason: str


def verify_recovery(
    platform: Platform,
    deployment: Deployment,
    service: str,
    wait: Callable[[], None] = lambda: None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Recovered | NotRecovered:
    """Look at what a service answers until every objective is met, and no longer than the deadline.

    Args:
        platform: the ports.
        deployment: where; its objectives decide.
        service: the service.
        wait: called between looks, such as to keep a lease.
        deadline_seconds: for how long it is looked at.
    """
    objectives = deployment.objectives
    if all(each.measure != _DEFAULT.measure for each in objectives):
        objectives = (*objectives, _DEFAULT)
    deadline = platform.clock.now() + timedelta(seconds=deadline_seconds)
    before, reason = _look(platform, deployment, service), "no request was measured"
    while platform.clock.now() < deadline:
        wait()
        platform.clock.sleep(WINDOW_SECONDS)
        after = _look(platform, deployment, service)
        if isinstance(after, MetricsMissing) or isinstance(before, MetricsMissing):
            reason = after.reason if isinstance(after, MetricsMissing) else reason
            before = after
            continue
        grown = _answered(before, after)
        if grown.requests < MINIMUM_REQUESTS:
            reason = f"only {grown.requests} requests were answered"
            continue
        missed = [line for each in objectives if (line := _missed(each, grown))]
        if not missed:
            return Recovered(after.at, "; ".join(_line(each, grown) for each in objectives))
        before, reason = after, "; ".join(missed)
    return NotRecovered(f"{reason} (looked at for {deadline_seconds:.0f} s)")


def _look(platform: Platform, deployment: Deployment, service: str) -> TrafficSample | MetricsMissing:
    environment = deployment.environment
    return platform.sites[environment].metrics.traffic(environment, service, platform.clock.now())


def _answered(before: TrafficSample, after: TrafficSample) -> Counts:
    """By both sides: users do not know which one answers them."""
    canary, stable = after.growth_since(before)
    return stable + canary if canary.requests else stable


def _value(objective: Objective, grown: Counts) -> float | None:
    if objective.measure == "error_ratio":
        return grown.error_ratio
    return grown.latency.quantile(0.95) if grown.latency is not None else None


def _missed(objective: Objective, grown: Counts) -> str:
    value = _value(objective, grown)
    if value is None:
        return f"{_words(objective)} was not measured"
    stays = value > objective.limit
    return f"the {_words(objective)} stayed at {value:.3f} > {objective.limit:.3f}" if stays else ""


def _line(objective: Objective, grown: Counts) -> str:
    value = _value(objective, grown)
    return f"{_words(objective)} {value:.3f} <= {objective.limit:.3f} of {grown.requests} requests"


def _words(objective: Objective) -> str:
    return objective.measure.replace("_", " ")
