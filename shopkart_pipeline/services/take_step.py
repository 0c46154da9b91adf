"""The steps that people take with an incident: each is in its timeline with its time; who did it stands in the ledger.

The timeline names nobody, because it becomes the postmortem. The ledger is written first: whoever is killed between the
two is asked again, and what stands twice in the ledger was done twice.
"""

from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.authenticate import proof_of
from shopkart_pipeline.services.platform import Platform

INCIDENT = "incident"
"""Where the body of an act names the incident."""
BY_PEOPLE = {
    IncidentStep.ACKNOWLEDGED: "somebody looks at it",
    IncidentStep.INVESTIGATED: "the dashboards were looked at",
    IncidentStep.LOGS_INSPECTED: "the logs were read",
    IncidentStep.CAUSE_IDENTIFIED: "",
    IncidentStep.NOTED: "",
}
"""What a step says where nobody says more; empty: something has to be said."""
_ONCE = frozenset({IncidentStep.ACKNOWLEDGED})
_AFTERWARDS = frozenset({IncidentStep.NOTED, IncidentStep.CAUSE_IDENTIFIED})
"""Can be told of an incident that is closed."""


def take_step(platform: Platform, incident_id: str, step: IncidentStep, actor: str, text: str = "") -> Incident:
    """Put a step into an incident's timeline, and return the incident.

    Args:
        platform: the ports.
        incident_id: which incident.
        step: one of `BY_PEOPLE`.
        actor: who; goes into the ledger alone.
        text: what was found; no names of people.

    Raises:
        NotFound: there is no such incident.
        Refused: it is closed, or nothing was said where something has to be.
        ToolUnavailable: it could not be kept.
    """
    incident = platform.incidents.get(incident_id)
    words = without_secrets(" ".join(text.split())) or BY_PEOPLE[step]
    if not incident.is_open and step not in _AFTERWARDS:
        raise Refused(f"Incident {incident_id} is closed.", "Open another one if it goes on.")
    if not words:
        raise Refused(f"Nothing was said about what is {_words(step)}.", "Say it with --text.")
    if step in _ONCE and incident.time_of(step) is not None:
        return incident
    record(platform, incident, step, actor, words)
    now = platform.clock.now()
    return platform.incidents.change(incident_id, lambda it: it.with_entry(now, step, words))


def record(platform: Platform, incident: Incident, step: IncidentStep, actor: str, words: str) -> None:
    """Write into the ledger who did something with an incident."""
    body = {"environment": incident.environment, INCIDENT: incident.id, "reason": words, **proof_of(actor)}
    now, verb = platform.clock.now(), f"incident_{step}"
    digest = incident.suspected_digest
    platform.ledger.append(Act(now, str(actor), verb, incident.service, incident.suspected_release, digest, body))


def _words(step: IncidentStep) -> str:
    return step.value.replace("_", " ")
