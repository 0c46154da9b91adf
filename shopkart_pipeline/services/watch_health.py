"""Looks at the health of a deployment: the eight metrics, and each objective against its limit.

Looking changes nothing; watching also opens an incident for an objective of production that is broken. One that could
not be measured opens none, as nobody was hurt that anybody knows of; it is told as not met with the reason. A metrics
server that does not answer is asked about an objective once, not about every window of its burn rates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.declaration import Deployment, Phase
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.health import Answered, ObjectiveHealth, assess, windows_of
from shopkart_pipeline.domain.incident import IncidentSource
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital, VitalMissing, VitalReading
from shopkart_pipeline.ports.vitals import Vitals
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.raise_incident import raise_incident


@dataclass(frozen=True)
class HealthReport:
    """How a deployment does at one moment."""

    service: str
    environment: str
    at: datetime
    version: str | None
    """The release whose requests the objectives are about; None: those of all that run."""
    objectives: tuple[ObjectiveHealth, ...]
    vitals: Mapping[Vital, tuple[VitalReading, ...] | VitalMissing]

    @property
    def is_healthy(self) -> bool:
        """Whether every objective is known to be met; without any, nothing is promised that could be broken."""
        return all(each.is_met for each in self.objectives)

    @property
    def words(self) -> str:
        """One line."""
        if not self.objectives:
            return "nothing is promised"
        if self.is_healthy:
            return "; ".join(each.words for each in self.objectives)
        return "; ".join(each.words for each in self.objectives if not each.is_met)


def look_at_health(
    platform: Platform, service: str, deployment: Deployment, version: str | None = None
) -> HealthReport:
    """How a deployment does now.

    Args:
        platform: the ports.
        service: its name.
        deployment: where it runs; its objectives are looked at.
        version: the release that is to be judged; None: all that run together.
    """
    now, environment = platform.clock.now(), deployment.environment
    vitals = platform.sites[environment].vitals
    objectives = tuple(
        assess(each, _answered(vitals, environment, service, each, now, version)) for each in deployment.objectives
    )
    return HealthReport(service, environment, now, version, objectives, vitals.now(environment, service, now))


def watch_health(
    platform: Platform, service: str, deployment: Deployment, version: str
) -> tuple[HealthReport, tuple[str, ...]]:
    """Look, and open an incident for each objective of production that is broken, or join the one that is open.

    Returns:
        What was seen, and the incidents by id; where one could not be kept, the reason stands in its place.
    """
    report = look_at_health(platform, service, deployment, version)
    if platform.pipeline.environments[deployment.environment].phase is not Phase.PRODUCTION:
        return report, ()
    return report, tuple(_raised(platform, report, each) for each in report.objectives if each.is_broken)


def _raised(platform: Platform, report: HealthReport, objective: ObjectiveHealth) -> str:
    group = f"objective:{report.environment}:{report.service}:{objective.objective.measure}"
    try:
        incident = raise_incident(
            platform, IncidentSource.OBJECTIVE, report.service, report.environment, objective.words, group=group
        )
    except PipelineError as error:
        return f"none could be opened: {error.what}"
    return incident.id


def _answered(
    vitals: Vitals, environment: str, service: str, objective: Objective, now: datetime, version: str | None
) -> Answered:
    found: dict[float, Counts | VitalMissing] = {}
    for window in windows_of(objective):
        counts = vitals.answered(environment, service, now - timedelta(seconds=window), now)
        found[window] = counts if isinstance(counts, VitalMissing) else _of_version(counts, version, now)
        if isinstance(counts, VitalMissing) and window == objective.window_seconds:
            return dict.fromkeys(windows_of(objective), counts)
    return found


def _of_version(counts: Mapping[str, Counts], version: str | None, now: datetime) -> Counts | VitalMissing:
    """What a version answered; where nobody tells versions apart, what all did."""
    if version is None or "" in counts:
        return sum(counts.values(), Counts(0, 0))
    return counts.get(version) or VitalMissing(now, f"release {version} answered nothing that was counted")
