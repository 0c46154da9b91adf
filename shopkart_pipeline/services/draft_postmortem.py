"""Drafts an incident's postmortem anew from what is known by now, and keeps it beside the incident.

The draft is the machine's: what a person completes is a file in the repository, and nothing here touches that.
"""

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.ports.incident_store import POSTMORTEM
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rollout_document import RolloutDocument, saved_rollout
from shopkart_pipeline.services.rollout_reports import past_rollout
from shopkart_pipeline.services.write_postmortem import write_postmortem


def draft_postmortem(platform: Platform, incident_id: str) -> Incident:
    """Draft it, keep it, and return the incident. Raises `NotFound`, and `ToolUnavailable` where it can't be kept."""
    drafted_at = platform.clock.now()

    def drafted(it: Incident) -> Incident:
        text = "the postmortem was drafted from facts" if it.is_open else "the postmortem was drafted from all facts"
        return it.with_entry(drafted_at, IncidentStep.POSTMORTEM_DRAFTED, text)

    incident = platform.incidents.change(incident_id, drafted)
    page = write_postmortem(platform, incident, _rollout(platform, incident))
    platform.incidents.attach(incident_id, POSTMORTEM, page.encode(errors="replace"))
    return incident


def is_drafted(incident: Incident) -> bool:
    """Whether there is a draft that holds everything until the incident was closed."""
    steps = [entry.step for entry in incident.timeline]
    if IncidentStep.CLOSED not in steps:
        return IncidentStep.POSTMORTEM_DRAFTED in steps
    return IncidentStep.POSTMORTEM_DRAFTED in steps[steps.index(IncidentStep.CLOSED) :]


def _rollout(platform: Platform, incident: Incident) -> RolloutDocument | None:
    """The rollout of the suspected release, if it was turned back there; one that went through tells of no harm."""
    site = platform.sites.get(incident.environment)
    if site is None or not incident.suspected_release:
        return None
    try:
        saved = saved_rollout(site.cluster, incident.environment, incident.service)
        if saved is not None and saved.state.plan.release_key == incident.suspected_release:
            return saved if saved.detected_at is not None else None
        release = platform.evidence.release(incident.service, incident.suspected_release)
        document = past_rollout(platform, release)
    except PipelineError:
        return None
    return document if document.detected_at is not None else None
