"""An incident: what went wrong in an environment, when, and what was done about it.

The eight steps of the case study are its timeline. Times are facts that somebody or something observed; a time that
nobody observed is absent, and the postmortem says so.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class IncidentStep(StrEnum):
    """The way of an incident."""

    INTRODUCED = "introduced"
    DETECTED = "detected"
    ACKNOWLEDGED = "acknowledged"
    INVESTIGATED = "investigated"
    LOGS_INSPECTED = "logs_inspected"
    CAUSE_IDENTIFIED = "cause_identified"
    ROLLED_BACK = "rolled_back"
    RECOVERED = "recovered"
    POSTMORTEM_DRAFTED = "postmortem_drafted"


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


@dataclass(frozen=True)
class Incident:
    """Everything known about one incident."""

    id: str
    service: str
    environment: str
    suspected_release: str
    suspected_digest: str
    reason: str
    failed_requests: int
    answered_requests: int
    timeline: tuple[TimelineEntry, ...]
    signatures: tuple[ErrorSignature, ...] = ()
    missing: tuple[str, ...] = field(default=())
    """What could not be gathered, and why."""

    def with_entry(self, at: datetime, step: IncidentStep, text: str) -> "Incident":
        """The incident with one more entry; an entry of the same step and text is not doubled."""
        if any(entry.step is step and entry.text == text for entry in self.timeline):
            return self
        entries = (*self.timeline, TimelineEntry(at, step, text))
        return replace(self, timeline=tuple(sorted(entries, key=lambda entry: entry.at)))

    def time_of(self, step: IncidentStep) -> datetime | None:
        """When a step was first taken; None where nobody saw it."""
        return next((entry.at for entry in self.timeline if entry.step is step), None)
