"""Opens an incident, or has what is told join the one that is open already.

An alert storm is one incident, and two things that go wrong are two. What is told under a group (Alertmanager's group
key, the name of an objective) belongs to the open incident that knows this group. Else it joins the open incident of
the same service and environment, unless that one came from another group of Alertmanager's: what to tell apart is
declared there. What a person opens is always an incident of its own.

Whoever is killed after the incident was kept has lost nothing: everything else is made up for by `tend_incidents`.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from shopkart_pipeline.domain.incident import (
    Alert,
    Incident,
    IncidentSeverity,
    IncidentSource,
    IncidentStep,
    TimelineEntry,
    with_alerts,
)
from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.tell_incident import tell_opened


def raise_incident(
    platform: Platform,
    source: IncidentSource,
    service: str,
    environment: str,
    reason: str,
    *,
    group: str = "",
    alerts: tuple[Alert, ...] = (),
    severity: IncidentSeverity = IncidentSeverity.CRITICAL,
    began_at: datetime | None = None,
) -> Incident:
    """Keep an incident, and return it as it is kept.

    Args:
        platform: the ports.
        source: what found it.
        service: whose objective is hurt.
        environment: where.
        reason: one sentence with value and limit; no names of people.
        group: under which more of the same is told: what is told again under it joins while the incident is open.
        alerts: what fires, or is resolved.
        severity: how much it hurts.
        began_at: when it began, where that was observed; None: alerts know, or it is now.

    Raises:
        ToolUnavailable: it could not be kept.
    """
    now, reason = platform.clock.now(), without_secrets(reason)

    def choose(known: tuple[Incident, ...]) -> Incident:
        incident = _joined(known, source, service, environment, group)
        if incident is None:
            began = began_at or min((alert.started_at for alert in alerts), default=now)
            name = free_name(_id(service, environment, began, f"{source}:{group or reason}"), known)
            opened = TimelineEntry(now, IncidentStep.OPENED, f"opened by {_WORDS[source]}")
            incident = Incident(
                name, service, environment, "", "", reason, 0, 0, (opened,), source=source, severity=severity
            )
        is_known = bool(group) and group in incident.groups
        incident = _with_group(incident, group, severity)
        if not alerts and not is_known:  # What is told again has other numbers each time, and is the same.
            incident = incident.with_entry(began_at or now, IncidentStep.DETECTED, reason)
        return with_alerts(incident, alerts, now)

    incident = platform.incidents.keep(choose)
    tell_opened(platform, incident)
    return incident


def _joined(
    known: tuple[Incident, ...], source: IncidentSource, service: str, environment: str, group: str
) -> Incident | None:
    there = [each for each in known if each.is_open and (each.service, each.environment) == (service, environment)]
    of_group = next((each for each in there if group and group in each.groups), None)
    if of_group is not None or source is IncidentSource.PERSON:
        return of_group
    told_apart = source is IncidentSource.ALERTMANAGER
    return next((each for each in there if not (told_apart and each.source is IncidentSource.ALERTMANAGER)), None)


def _with_group(incident: Incident, group: str, severity: IncidentSeverity) -> Incident:
    """The incident that what is told under a group belongs to; it is as severe as the worst of it."""
    groups = incident.groups if not group or group in incident.groups else (*incident.groups, group)
    worse = min(incident.severity, severity, key=tuple(IncidentSeverity).index)
    return replace(incident, groups=groups, severity=worse)


_WORDS = {
    IncidentSource.ROLLBACK: "a rollout that was turned back",
    IncidentSource.ALERTMANAGER: "an alert",
    IncidentSource.OBJECTIVE: "an objective that was missed",
    IncidentSource.PERSON: "somebody who saw it",
}


def _id(service: str, environment: str, began_at: datetime, what: str) -> str:
    """Told twice at once, it is the same."""
    told_apart = hashlib.sha256(what.encode()).hexdigest()[:6]
    return f"{service}-{environment}-{began_at.astimezone(UTC):%Y%m%d-%H%M%S}-{told_apart}"


def free_name(name: str, known: tuple[Incident, ...]) -> str:
    """The name, or the next one where another incident has it that is closed: what goes wrong again is told again."""
    taken = {incident.id for incident in known}
    return next(each for number in count(1) if (each := name if number == 1 else f"{name}-{number}") not in taken)
