"""An incident that nobody acknowledges goes to one declared channel after the other.

Each level is told once, however often this is called and by whom: the notification's key names incident and level, and
the queue keeps keys. What became due while nothing ran is told then, unless the incident is old: whoever starts the
pipeline after a week must not wake anybody for what was then. What is only for information wakes nobody.
"""

from datetime import datetime, timedelta

from shopkart_pipeline.domain.incident import Incident, IncidentSeverity
from shopkart_pipeline.domain.notification import Notification, NotificationPolicy, Urgency
from shopkart_pipeline.services.notify import notify
from shopkart_pipeline.services.platform import Platform

OLDEST = timedelta(days=1)
"""After the last level."""


def escalate(platform: Platform, now: datetime) -> tuple[str, ...]:
    """Tell the next ones of incidents that are open and unacknowledged; returns what was done, in words."""
    policy = platform.pipeline.notifications
    if policy is None or not policy.escalate_to:
        return ()
    return tuple(
        line
        for incident in platform.incidents.list()
        if _is_unanswered(incident)
        for level in _due(incident, policy, now)
        if (line := _told(platform, policy, incident, level))
    )


def _is_unanswered(incident: Incident) -> bool:
    is_open = incident.acknowledged_at is None and incident.closed_at is None
    return is_open and incident.severity is not IncidentSeverity.INFO


def _due(incident: Incident, policy: NotificationPolicy, now: datetime) -> range:
    """The levels, from 1, whose time has come."""
    waited, after = now - incident.opened_at, timedelta(seconds=policy.escalate_after_seconds)
    last = len(policy.escalate_to)
    return range(0) if waited > last * after + OLDEST else range(1, min(last, waited // after) + 1)


def _told(platform: Platform, policy: NotificationPolicy, incident: Incident, level: int) -> str:
    channel, waited = policy.escalate_to[level - 1], timedelta(seconds=level * policy.escalate_after_seconds)
    told = notify(
        platform,
        Notification(
            key=f"{incident.id}/escalation-{level}",
            incident_id=incident.id,
            subject=f"Nobody answers: {incident.service} in {incident.environment}",
            body=f"Incident {incident.id} has been open for {waited}, and nobody acknowledged it.\n"
            f"{incident.reason}\n\nTake it: `shopkart incident {incident.id} ack`",
            urgency=Urgency.URGENT,
        ),
        (channel,),
    )
    if told.problem:
        return f"{incident.id} could not be escalated to {channel}: {told.problem}"
    return f"{incident.id} is escalated to {channel}" if told.channels else ""
