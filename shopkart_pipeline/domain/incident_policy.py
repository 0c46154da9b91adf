"""What is declared about incidents, and whether the declared rule has production go back by itself.

A rollback without a person is for the clear case alone: it hurts, exactly one release is suspected most, it came
shortly before, it is this service's own, and nobody has tried yet. Everything else is proposed to whoever is on call.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.incident import Incident, IncidentSeverity, IncidentStep, Suspect


@dataclass(frozen=True)
class IncidentPolicy:
    """The declared part."""

    auto_rollback: bool = False
    suspected_within_seconds: float = 1800.0
    """For a rollback by itself: how long before the incident the release may have come."""
    window_seconds: float = 86_400.0
    """How long before it releases are looked at."""
    drill_detected_within_seconds: float = 60.0
    """How soon a drill's fault has to be noticed after customers first met it."""
    drill_recovered_within_seconds: float = 120.0
    """How soon customers have to be well again after that."""


@dataclass(frozen=True)
class Undecided:
    """Why production does not go back by itself."""

    reason: str


def due_rollback(incident: Incident, policy: IncidentPolicy) -> Suspect | Undecided:
    """The release that is to be taken back now without asking anybody, or why not."""
    steps = {entry.step for entry in incident.timeline}
    if not policy.auto_rollback:
        return Undecided("the declaration leaves it to people")
    if not incident.is_open or IncidentStep.ROLLED_BACK in steps or IncidentStep.RECOVERED in steps:
        return Undecided("there is nothing left to take back")
    if IncidentStep.ROLLBACK_FAILED in steps:
        return Undecided("it was tried and failed: a person decides what comes next")
    if incident.severity is not IncidentSeverity.CRITICAL:
        return Undecided(f"its severity is {incident.severity}")
    return _clear_suspect(incident, policy)


def _clear_suspect(incident: Incident, policy: IncidentPolicy) -> Suspect | Undecided:
    suspect, began_at = incident.suspect, began(incident)
    if suspect is None:
        return Undecided("no release is suspected")
    if suspect.service != incident.service:
        return Undecided(f"the suspected release is one of {suspect.service}")
    if any(each.weight >= suspect.weight for each in incident.suspects if each != suspect):
        return Undecided("another release is as suspicious")
    if began_at - suspect.at > timedelta(seconds=policy.suspected_within_seconds):
        return Undecided(f"{suspect.name} came longer than {policy.suspected_within_seconds:.0f} s before")
    return suspect


def hurt_since(incident: Incident) -> datetime:
    """Since when users may have been hurt: that a fault is noticed comes later than the fault."""
    return min(incident.time_of(IncidentStep.INTRODUCED) or began(incident), began(incident))


def began(incident: Incident) -> datetime:
    """When the trouble began, as far as anybody saw it."""
    return incident.time_of(IncidentStep.DETECTED) or incident.opened_at
