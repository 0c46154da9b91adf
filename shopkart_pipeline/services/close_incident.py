"""An incident is closed when users are seen to be well again, and not before.

That is looked at now, whatever anybody saw before: every objective is met by what is answered, and nothing fires. A
person may close it otherwise, with a reason; it then stands in the timeline that nobody saw a recovery.
"""

import logging

from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.services.draft_postmortem import draft_postmortem
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.take_step import record
from shopkart_pipeline.services.tell_incident import tell_closed
from shopkart_pipeline.services.verify_recovery import DEADLINE_SECONDS, NotRecovered, Recovered, verify_recovery

log = logging.getLogger(__name__)

_SEEN = "every objective is met again"


def verify(platform: Platform, incident_id: str, deadline_seconds: float = DEADLINE_SECONDS) -> Incident | NotRecovered:
    """Look whether users are well again, and return the incident that says so, or why nobody can.

    Args:
        platform: the ports.
        incident_id: which incident.
        deadline_seconds: for how long to look.
    """
    incident = platform.incidents.get(incident_id)
    found = _look(platform, incident, deadline_seconds)
    if isinstance(found, NotRecovered):
        return found
    return platform.incidents.change(
        incident_id,
        lambda it: (
            it
            if it.time_of(IncidentStep.RECOVERED)
            else it.with_entry(found.at, IncidentStep.RECOVERED, f"{_SEEN}: {found.words}")
        ),
    )


def close_incident(platform: Platform, incident_id: str, actor: str, override: str = "") -> Incident:
    """Close an incident, and return it; one that is closed stays as it is.

    Args:
        platform: the ports.
        incident_id: which incident.
        actor: who; goes into the ledger.
        override: why it is closed although nobody saw a recovery; empty: it is closed only if somebody did.

    Raises:
        Refused: users are not seen to be well, or an alert still fires.
    """
    incident = platform.incidents.get(incident_id)
    if not incident.is_open:
        return incident
    why = "closed: users are well again"
    if override.strip():
        why = f"closed without a verified recovery: {without_secrets(' '.join(override.split()))}"
    else:
        incident = _well(platform, incident)
    record(platform, incident, IncidentStep.CLOSED, actor, why)
    now = platform.clock.now()
    closed = platform.incidents.change(
        incident_id, lambda it: it.with_entry(now, IncidentStep.CLOSED, why) if it.is_open else it
    )
    tell_closed(platform, closed, why)
    try:
        return draft_postmortem(platform, incident_id)
    except PipelineError as error:  # It is asked for again until it is there.
        log.error("the postmortem of %s could not be drafted: %s", incident_id, error.what)
        return closed


def _well(platform: Platform, incident: Incident) -> Incident:
    fix = "Wait until that is over, or give a reason with --override; it goes into the ledger."
    if incident.firing:
        names = ", ".join(alert.name for alert in incident.firing[:5])
        raise Refused(f"Incident {incident.id} can't be closed: {names} still fires.", fix)
    found = verify(platform, incident.id)
    if isinstance(found, NotRecovered):
        raise Refused(f"Incident {incident.id} can't be closed, as nobody sees a recovery: {found.reason}.", fix)
    return found


def _look(platform: Platform, incident: Incident, deadline_seconds: float) -> Recovered | NotRecovered:
    declared = platform.pipeline.services.get(incident.service)
    if declared is None or incident.environment not in declared.deployments:
        return NotRecovered(f"{incident.service} is no declared service of {incident.environment}")
    deployment = declared.deployments[incident.environment]
    return verify_recovery(platform, deployment, incident.service, deadline_seconds=deadline_seconds)
