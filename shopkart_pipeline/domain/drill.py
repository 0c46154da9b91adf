"""How a drill is scored: each of the case study's findings was made or not, and soon enough or not.

What nobody measured is missed: a drill that does not show how fast the fault was found has not shown anything.
"""

from dataclasses import dataclass

from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.domain.incident_policy import IncidentPolicy


@dataclass(frozen=True)
class Score:
    """One line of a drill's result."""

    what: str
    passed: bool
    measured: str
    target: str = ""
    """Empty: it has to be there, whenever."""


def score(incident: Incident, policy: IncidentPolicy) -> tuple[Score, ...]:
    """Detection and recovery against their targets, and what was found out on the way.

    Args:
        incident: what the drill's fault led to, closed by then.
        policy: with the declared targets.
    """
    introduced, detected, recovered = IncidentStep.INTRODUCED, IncidentStep.DETECTED, IncidentStep.RECOVERED
    own = [each for each in incident.signatures if each.release_key == incident.suspected_release]
    seen = f"{own[0].count} lines of the kind {own[0].signature!r}" if own else "no error line of its own was found"
    return (
        _within("detected", incident, introduced, detected, policy.drill_detected_within_seconds),
        _within("recovered", incident, introduced, recovered, policy.drill_recovered_within_seconds),
        Score("found in the logs", bool(own), seen),
        _taken("rolled back", incident, IncidentStep.ROLLED_BACK),
        _taken("cause identified", incident, IncidentStep.CAUSE_IDENTIFIED),
        _taken("closed with a verified recovery", incident, recovered),
        _taken("postmortem drafted", incident, IncidentStep.POSTMORTEM_DRAFTED),
    )


def _within(what: str, incident: Incident, start: IncidentStep, end: IncidentStep, seconds: float) -> Score:
    began, ended = incident.time_of(start), incident.time_of(end)
    target = f"within {seconds:.0f} s"
    if began is None or ended is None:
        return Score(what, passed=False, measured="not measured", target=target)
    took = (ended - began).total_seconds()
    return Score(what, took <= seconds, f"after {took:.1f} s", target)


def _taken(what: str, incident: Incident, step: IncidentStep) -> Score:
    entry = next((each for each in incident.timeline if each.step is step), None)
    return Score(what, entry is not None, entry.text if entry is not None else "it did not happen")
