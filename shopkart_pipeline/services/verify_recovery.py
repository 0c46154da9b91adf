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
from shopkart_pipeline.domain.vitals import Vital, VitalMissing
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
        seen = [(each, _value(platform, deployment, service, each, grown)) for each in objectives]
        missed = [line for each, value in seen if (line := _missed(each, value))]
        if not missed:
            lines = (f"{_words(each)} {value:.3f} <= {each.limit:.3f}" for each, value in seen)
            return Recovered(after.at, f"{'; '.join(lines)}, of {grown.requests} requests")
        before, reason = after, "; ".join(missed)
    return NotRecovered(f"{reason} (looked at for {deadline_seconds:.0f} s)")


def _look(platform: Platform, deployment: Deployment, service: str) -> TrafficSample | MetricsMissing:
    environment = deployment.environment
    return platform.sites[environment].metrics.traffic(environment, service, platform.clock.now())


def _answered(before: TrafficSample, after: TrafficSample) -> Counts:
    """By both sides: users do not know which one answers them."""
    canary, stable = after.growth_since(before)
    return stable + canary if canary.requests else stable


def _value(
    platform: Platform, deployment: Deployment, service: str, objective: Objective, grown: Counts
) -> float | str:
    """What an objective is about, or why nobody measured it. A latency that is not counted beside requests is that of
    the last minute, of the slowest version that runs."""
    if objective.measure == _DEFAULT.measure:
        return grown.error_ratio
    if grown.latency is not None:
        return grown.latency.quantile(0.95)
    environment = deployment.environment
    told = platform.sites[environment].vitals.now(environment, service, platform.clock.now())
    readings = told[Vital.LATENCY_P95_SECONDS]
    return readings.reason if isinstance(readings, VitalMissing) else max(each.value for each in readings)


def _missed(objective: Objective, value: float | str) -> str:
    if isinstance(value, str):
        return f"the {_words(objective)} was not measured: {value}"
    stays = not value <= objective.limit
    return f"the {_words(objective)} stayed at {value:.3f} > {objective.limit:.3f}" if stays else ""


def _words(objective: Objective) -> str:
    return objective.measure.replace("_", " ")
