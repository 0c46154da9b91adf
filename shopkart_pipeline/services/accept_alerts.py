"""Alerts become incidents, or join the one that is open; those that are resolved are told to the one that has them.

What names a service that nobody declared, or none, opens an incident all the same, under `unattributed`: an alert that
nobody understands is still one that somebody has to look at. So does what names an environment that nobody declared,
such as a preview's: it must not take a release back in production. Without a word about it, production is meant.
"""

from collections.abc import Mapping
from itertools import groupby

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.incident import Alert, AlertState, Incident, IncidentSeverity, IncidentSource, with_alerts
from shopkart_pipeline.ports.alert_reader import AlertGroup, ToldAlert
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline.services.requests import Accepted

UNATTRIBUTED = "unattributed"
_WORST_FIRST = tuple(IncidentSeverity)


def accept_alerts(platform: Platform, delivery: Delivery) -> Accepted:
    """Do with alerts what is to be done; doing it twice gives the same incidents.

    Raises:
        UntrustedInput: they can't be understood.
        ToolUnavailable: an incident could not be kept; try again later.
    """
    if platform.alert_reader is None:
        raise UntrustedInput("Nobody reads alerts here.", "Take the webhook away.")
    group = platform.alert_reader.read(delivery)
    told = sorted(((_place(platform, each), each) for each in group.alerts), key=lambda pair: pair[0])
    said: list[str] = []
    for place, pairs in groupby(told, key=lambda pair: pair[0]):
        said += _accept(platform, group, place, tuple(alert for _, alert in pairs))
    return Accepted((), "; ".join(said) or "ignored: what was resolved belongs to no incident")


def _place(platform: Platform, told: ToldAlert) -> tuple[str, str]:
    pipeline = platform.pipeline
    environment = told.environment or platform.environment_of(Phase.PRODUCTION).name
    if environment not in pipeline.environments:
        return UNATTRIBUTED, platform.environment_of(Phase.PRODUCTION).name
    return told.service if told.service in pipeline.services else UNATTRIBUTED, environment


def _accept(
    platform: Platform, group: AlertGroup, place: tuple[str, str], told: tuple[ToldAlert, ...]
) -> tuple[str, ...]:
    service, environment = place
    alerts = tuple(each.alert for each in told)
    resolved = _resolve(platform, {each.fingerprint: each for each in alerts if each.state is AlertState.RESOLVED})
    firing = tuple(alert for alert in alerts if alert.state is AlertState.FIRING)
    if not firing:
        return resolved
    severity = min((each.severity for each in told if each.alert.state is AlertState.FIRING), key=_WORST_FIRST.index)
    incident = raise_incident(
        platform,
        IncidentSource.ALERTMANAGER,
        service,
        environment,
        _reason(firing, group.left_out),
        group=group.key,
        alerts=firing,
        severity=severity,
    )
    return (*resolved, f"{len(firing)} alerts belong to incident {incident.id}")


def _reason(alerts: tuple[Alert, ...], left_out: int) -> str:
    first = alerts[0]
    further = len(alerts) - 1 + left_out
    words = f"{first.name}: {first.summary}" if first.summary else first.name
    return f"{words} (and {further} more)" if further else words


def _resolve(platform: Platform, resolved: Mapping[str, Alert]) -> tuple[str, ...]:
    """An alert is resolved in every open incident that has it, whatever group it is told under by now."""
    said: list[str] = []
    for incident in platform.incidents.list() if resolved else ():
        if incident.is_open and any(alert.fingerprint in resolved for alert in incident.firing):
            platform.incidents.change(incident.id, lambda it: _with_resolved(platform, it, resolved))
            said.append(f"resolved in incident {incident.id}")
    return tuple(said)


def _with_resolved(platform: Platform, incident: Incident, resolved: Mapping[str, Alert]) -> Incident:
    of_it = tuple(resolved[alert.fingerprint] for alert in incident.firing if alert.fingerprint in resolved)
    return with_alerts(incident, of_it, platform.clock.now())
