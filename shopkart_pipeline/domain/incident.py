"""An incident: what went wrong in an environment, when, and what was done about it.

The eight steps of the case study are its timeline. Times are facts that somebody or something observed; a time that
nobody observed is absent, and the postmortem says so. When it was opened, acknowledged and closed is read from the
timeline and kept nowhere else. People are not named here: who did something stands in the ledger.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class IncidentStep(StrEnum):
    """The way of an incident, in order."""

    INTRODUCED = "introduced"
    DETECTED = "detected"
    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    INVESTIGATED = "investigated"
    LOGS_INSPECTED = "logs_inspected"
    CAUSE_IDENTIFIED = "cause_identified"
    ROLLBACK_FAILED = "rollback_failed"
    ROLLED_BACK = "rolled_back"
    RECOVERED = "recovered"
    CLOSED = "closed"
    POSTMORTEM_DRAFTED = "postmortem_drafted"
    POSTMORTEM_COMPLETED = "postmortem_completed"
    NOTED = "noted"
    """Whatever somebody wanted to have in the timeline."""


class IncidentSource(StrEnum):
    """What opened an incident."""

    ROLLBACK = "rollback"
    ALERTMANAGER = "alertmanager"
    OBJECTIVE = "objective"
    PERSON = "person"


class IncidentSeverity(StrEnum):
    """How much it hurts, in the words of alert rules."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class AlertState(StrEnum):
    """Whether what an alert tells of goes on."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened."""

    at: datetime
    step: IncidentStep
    text: str


@dataclass(frozen=True)
class ErrorSignature:
    """Error lines of one kind, counted."""

    signature: str
    count: int
    example: str
    release_key: str
    before: int | None = None
    """How many there were in a time as long before; None: nobody could count them."""


@dataclass(frozen=True)
class Alert:
    """One thing that is wrong, as something that watches told it."""

    fingerprint: str
    """Equal ones are the same alert, however often it is told."""
    name: str
    state: AlertState
    started_at: datetime
    ended_at: datetime | None = None
    summary: str = ""
    url: str = ""
    """The rule or dashboard that it comes from; empty: none was told."""


@dataclass(frozen=True)
class Suspect:
    """A release that came to the environment shortly before."""

    service: str
    """The incident's own, or one that it depends on."""
    release_key: str
    digest: str
    at: datetime
    """When it got its first traffic there, as far as that is known."""
    reasons: tuple[str, ...]
    weight: int
    """By which the suspected one is chosen; more is worse."""

    @property
    def name(self) -> str:
        return f"{self.service}@{self.release_key}"


@dataclass(frozen=True)
class Incident:
    """Everything known about one incident."""

    id: str
    service: str
    environment: str
    suspected_release: str
    """Empty where no release is suspected."""
    suspected_digest: str
    reason: str
    failed_requests: int
    answered_requests: int
    timeline: tuple[TimelineEntry, ...]
    signatures: tuple[ErrorSignature, ...] = ()
    missing: tuple[str, ...] = field(default=())
    """What could not be gathered, and why."""
    source: IncidentSource = IncidentSource.ROLLBACK
    severity: IncidentSeverity = IncidentSeverity.CRITICAL
    groups: tuple[str, ...] = ()
    """What else belongs to it is told under one of these: Alertmanager's group keys, names of objectives."""
    alerts: tuple[Alert, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    """Newest first."""
    all_requests: int | None = None
    """That users sent while `failed_requests` were counted, whoever answered; None: nobody counted."""
    counted_seconds: float | None = None
    """For how long they were counted."""

    @property
    def outage_minutes(self) -> float | None:
        """How many minutes in which everything fails would have burnt as much of the error budget; None: not known."""
        if not self.all_requests or self.counted_seconds is None:
            return None
        return self.failed_requests / self.all_requests * self.counted_seconds / 60

    @property
    def opened_at(self) -> datetime:
        """When it was opened; its first entry's time where that was not kept."""
        return self.time_of(IncidentStep.OPENED) or self.timeline[0].at

    @property
    def acknowledged_at(self) -> datetime | None:
        return self.time_of(IncidentStep.ACKNOWLEDGED)

    @property
    def closed_at(self) -> datetime | None:
        return self.time_of(IncidentStep.CLOSED)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def suspect(self) -> Suspect | None:
        """The release that is suspected, with the reasons; None where none is, or nobody weighed them."""
        found = (each for each in self.suspects if each.release_key == self.suspected_release)
        return next(found, None)

    @property
    def suspected_service(self) -> str:
        """Whose release is suspected: releases of one commit have the same key in every service."""
        return self.service if self.suspect is None else self.suspect.service

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Alerts that are not resolved."""
        return tuple(alert for alert in self.alerts if alert.state is AlertState.FIRING)

    def with_entry(self, at: datetime, step: IncidentStep, text: str) -> "Incident":
        """The incident with one more entry; an entry of the same step and text is not doubled."""
        if any(entry.step is step and entry.text == text for entry in self.timeline):
            return self
        entries = (*self.timeline, TimelineEntry(at, step, text))
        return replace(self, timeline=tuple(sorted(entries, key=lambda entry: entry.at)))

    def lacking(self, text: str) -> "Incident":
        """The incident with one more thing that could not be gathered."""
        return self if text in self.missing else replace(self, missing=(*self.missing, text))

    def time_of(self, step: IncidentStep) -> datetime | None:
        """When a step was first taken; None where nobody saw it."""
        return next((entry.at for entry in self.timeline if entry.step is step), None)


MOST_ALERTS = 200
"""That one incident keeps; of a storm it is said that there were more."""
MOST_TOLD = 100
"""Entries after which alerts that come and go, each time with another value, fill the timeline no further."""


def with_alerts(incident: Incident, told: tuple[Alert, ...], now: datetime) -> Incident:
    """The incident after alerts were told: each is kept once by its fingerprint, as it was told last; one that is
    resolved stays among them and says when, unless one that fires needs its place."""
    known = {alert.fingerprint: alert for alert in incident.alerts}
    for alert in told:
        before = known.get(alert.fingerprint)
        if before is None and len(known) >= MOST_ALERTS:
            incident = incident.lacking(f"There were more than {MOST_ALERTS} alerts; the others are not kept.")
            over = next((each for each in known.values() if each.state is AlertState.RESOLVED), None)
            if over is None or alert.state is AlertState.RESOLVED:
                continue
            del known[over.fingerprint]
        if before is None or before.state is not alert.state:
            incident = _told(incident, alert, now, again=before is not None)
        if before is not None and alert.started_at > before.started_at:
            alert = replace(alert, started_at=before.started_at)  # It came back; it began when it first did.
        known[alert.fingerprint] = alert
    return replace(incident, alerts=tuple(known.values()))


def _told(incident: Incident, alert: Alert, now: datetime, *, again: bool) -> Incident:
    """One entry for each kind of thing: an alert that comes and goes all night fills no timeline."""
    if len(incident.timeline) >= MOST_TOLD:
        return incident.lacking("Alerts came and went more often than is told.")
    summary = f": {alert.summary}" if alert.summary else ""
    if alert.state is AlertState.RESOLVED:
        return incident.with_entry(alert.ended_at or now, IncidentStep.NOTED, f"{alert.name} is resolved{summary}")
    return incident.with_entry(
        alert.started_at, IncidentStep.DETECTED, f"{alert.name} fires{' again' if again else ''}{summary}"
    )
