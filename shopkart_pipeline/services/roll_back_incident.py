"""Production goes back from the release that an incident suspects, because a person or the declared rule says so.

A rollback that fails is an entry in the timeline with its reason, people are told, and it can be tried again. Of two
who try at once, the second one finds that another release runs and changes nothing (`roll_back` has the lease).
"""

import logging
from datetime import datetime

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.incident import Incident, IncidentStep, Suspect
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import TURN_BACK, Placed, current
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.take_step import record
from shopkart_pipeline.services.tell_incident import tell_rollback_failed, tell_rolled_back

_FIX = "Bring the next release there."

log = logging.getLogger(__name__)


def roll_back_incident(platform: Platform, incident_id: str, actor: str, run_id: str) -> Incident:
    """Take the suspected release back, and return the incident.

    Args:
        platform: the ports.
        incident_id: which incident.
        actor: who says so; `pipeline` for the declared rule.
        run_id: identifies the attempt.

    Raises:
        Refused: no release is suspected, or it was taken back already, or there is no way back.
        PipelineError: it failed; that is in the timeline, and people are told.
    """
    incident = notice_rollback(platform, platform.incidents.get(incident_id))
    suspect = _suspect(platform, incident)
    record(platform, incident, IncidentStep.ROLLED_BACK, actor, f"{suspect.name} is to be taken back")
    try:
        reason = f"incident {incident.id}"
        placed = roll_back(platform, suspect.service, actor, reason, run_id, only=suspect.release_key)
    except PipelineError as error:
        _keep_failure(platform, incident, error.what)
        raise
    return _keep(platform, incident, suspect, placed, platform.clock.now())


def notice_rollback(platform: Platform, incident: Incident) -> Incident:
    """The incident, which says that its suspect was taken back if that has happened: by whoever was killed before the
    incident could tell, or by somebody who did not ask the incident."""
    suspect = incident.suspect
    if suspect is None or not incident.is_open or incident.time_of(IncidentStep.ROLLED_BACK) is not None:
        return incident
    turned = _turned_back(platform, incident, suspect)
    placed = current(platform, suspect.service, incident.environment)
    if turned is None or placed is None or placed.release_key == suspect.release_key:
        return incident
    return _keep(platform, incident, suspect, placed, turned)


def _turned_back(platform: Platform, incident: Incident, suspect: Suspect) -> datetime | None:
    """When it last was, since it came."""
    entries = platform.ledger.entries(suspect.service, suspect.release_key)
    acts = [entry.act for entry in entries if entry.act.verb == TURN_BACK and entry.act.at >= suspect.at]
    times = [act.at for act in acts if act.body.get("environment") == incident.environment]
    return max(times, default=None)


def _suspect(platform: Platform, incident: Incident) -> Suspect:
    production = platform.environment_of(Phase.PRODUCTION).name
    if incident.environment != production:
        raise Refused(f"Incident {incident.id} is in {incident.environment}: {production} alone is rolled back.", _FIX)
    if incident.suspect is None:
        raise Refused(
            f"Incident {incident.id} suspects no release.",
            f"If one is at fault all the same: shopkart rollback {incident.service} --reason ...",
        )
    if not incident.is_open or incident.time_of(IncidentStep.ROLLED_BACK) is not None:
        raise Refused(
            f"Incident {incident.id} needs no rollback any more.",
            f"`shopkart rollback {incident.suspect.service}` goes further back.",
        )
    return incident.suspect


def _keep(platform: Platform, incident: Incident, suspect: Suspect, placed: Placed, at: datetime) -> Incident:
    words = f"{suspect.service} went back from {suspect.release_key} to {placed.release_key} ({placed.digest})"

    def told(it: Incident) -> Incident:
        is_told = it.time_of(IncidentStep.ROLLED_BACK) is not None  # By the rollout that was turned back.
        return it if is_told else it.with_entry(at, IncidentStep.ROLLED_BACK, words)

    done = platform.incidents.change(incident.id, told)
    tell_rolled_back(platform, done, words)
    return done


def _keep_failure(platform: Platform, incident: Incident, reason: str) -> None:
    """That it could not be kept must not hide why the rollback failed."""
    now = platform.clock.now()
    attempt = 1 + sum(entry.step is IncidentStep.ROLLBACK_FAILED for entry in incident.timeline)
    words = f"attempt {attempt} failed: {reason}"

    def failed(it: Incident) -> Incident:
        is_back = it.time_of(IncidentStep.ROLLED_BACK) is not None  # Somebody else was faster.
        return it if is_back else it.with_entry(now, IncidentStep.ROLLBACK_FAILED, words)

    try:
        kept = platform.incidents.change(incident.id, failed)
    except PipelineError as error:
        log.error("that the rollback of %s failed could not be kept: %s", incident.id, error.what)
        kept = incident
    if kept.time_of(IncidentStep.ROLLED_BACK) is None:
        tell_rollback_failed(platform, incident, attempt, reason)
