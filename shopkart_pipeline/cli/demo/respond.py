"""Whoever is on call, played: from the alert to the closed incident, by the same services as the commands.

The rollback has happened by itself by then. Everything else is a step of a person: to acknowledge, to look at
dashboards and logs, to name the cause, and to close once users are seen to be well.
"""

from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.services.close_incident import close_incident
from shopkart_pipeline.services.gather_snapshot import gather_snapshot
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.take_step import take_step

CAUSE = (
    "two versions share one Redis: the new one writes carts in a compact form that the running one can't read, and "
    "has lost the branch for carts that it can't read itself"
)


def respond(platform: Platform, incident_id: str, actor: str, cause: str = CAUSE) -> Incident:
    """Go through the steps that are left, and return the closed incident.

    Args:
        platform: the ports.
        incident_id: which incident.
        actor: who is on call; goes into the ledger alone.
        cause: what was found.

    Raises:
        Refused: users are not seen to be well again.
    """
    take_step(platform, incident_id, IncidentStep.ACKNOWLEDGED, actor)
    incident = gather_snapshot(platform, incident_id)
    suspect = incident.suspect
    seen = f"{suspect.name} is suspected: {suspect.reasons[0]}" if suspect is not None else "no release is suspected"
    take_step(platform, incident_id, IncidentStep.INVESTIGATED, actor, seen)
    kinds = ", ".join(sorted({each.signature for each in incident.signatures})) or "no error was logged"
    take_step(platform, incident_id, IncidentStep.LOGS_INSPECTED, actor, f"errors in the logs: {kinds}")
    take_step(platform, incident_id, IncidentStep.CAUSE_IDENTIFIED, actor, cause)
    return close_incident(platform, incident_id, actor)
