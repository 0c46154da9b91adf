"""What an incident needs next without anybody asking: its snapshot, the declared rollback, a look whether users are
well again; and once it is closed, its postmortem, until that is completed in the repository.

Nothing of it is lost when somebody is killed: it is asked for anew until it is done. A rollback is tried once without a
person, and a recovery is looked for after a rollback or once nothing fires any more.
"""

from enum import StrEnum

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.incident import Incident, IncidentStep, Suspect
from shopkart_pipeline.domain.incident_policy import due_rollback
from shopkart_pipeline.services.gather_snapshot import is_gathered
from shopkart_pipeline.services.platform import Platform

SUSPECTED = "the release is clearly suspected, and the declaration says that production then goes back by itself"


class Work(StrEnum):
    """What can be done by itself."""

    SNAPSHOT = "snapshot"
    ROLLBACK = "rollback"
    RECOVERY = "recovery"
    POSTMORTEM = "postmortem"


def due_work(platform: Platform, incident: Incident) -> tuple[Work, ...]:
    """What is to be done for an incident now, in this order."""
    if incident.time_of(IncidentStep.POSTMORTEM_COMPLETED) is not None:
        return ()
    if not incident.is_open:
        return (Work.POSTMORTEM,)
    due = [] if is_gathered(platform, incident.id) else [Work.SNAPSHOT]
    is_production = incident.environment == platform.environment_of(Phase.PRODUCTION).name
    if is_production and isinstance(due_rollback(incident, platform.pipeline.incidents), Suspect):
        due.append(Work.ROLLBACK)
    if not due and _may_be_over(incident):
        due.append(Work.RECOVERY)
    return tuple(due)


def _may_be_over(incident: Incident) -> bool:
    """Whether there is a reason to think so: looking costs requests to the metrics server, again and again."""
    if incident.time_of(IncidentStep.RECOVERED) is not None:
        return False
    was_firing_and_stopped = bool(incident.alerts) and not incident.firing
    return incident.time_of(IncidentStep.ROLLED_BACK) is not None or was_firing_and_stopped
