"""What people are told of an incident. Each thing has a key, so that telling it again tells nothing."""

from shopkart_pipeline.domain.incident import Incident, IncidentSeverity, IncidentStep
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.services.incident_links import incident_links
from shopkart_pipeline.services.notify import notify
from shopkart_pipeline.services.platform import Platform


def tell_opened(platform: Platform, incident: Incident) -> None:
    """That it is open, what is known, and the commands with which to go on; told anew when it has become worse."""
    lines = [
        incident.reason,
        f"since {incident.timeline[0].at:%Y-%m-%d %H:%M:%S} UTC",
        *(f"{alert.name}: {alert.summary or 'fires'} {alert.url}".rstrip() for alert in incident.firing[:5]),
        f"`shopkart incident {incident.id} ack` says that you look at it.",
    ]
    if incident.severity is IncidentSeverity.CRITICAL:
        _tell(platform, incident, "opened", _subject(incident), lines, Urgency.URGENT)
    else:
        _tell(platform, incident, f"opened/{incident.severity}", _subject(incident), lines, Urgency.NORMAL)


def tell_suspect(platform: Platform, incident: Incident) -> None:
    """Which release is suspected, why, and with which one command it is taken back; where one is, and runs still."""
    suspect = incident.suspect
    if suspect is None or incident.time_of(IncidentStep.ROLLED_BACK) is not None:
        return
    links = [f"{name}: {address}" for name, address in incident_links(platform, incident)]
    lines = [*(f"- {reason}" for reason in suspect.reasons), f"Take it back: `{rollback_command(incident)}`", *links]
    subject = f"{incident.id}: {suspect.name} is suspected"
    _tell(platform, incident, f"suspect/{suspect.name}", subject, lines, Urgency.NORMAL)


def tell_rollback_failed(platform: Platform, incident: Incident, attempt: int, reason: str) -> None:
    """That it was tried and did not work, and what can be done."""
    lines = [reason, f"Try again: `{rollback_command(incident)}`"]
    subject = f"{incident.id}: the rollback failed"
    _tell(platform, incident, f"rollback-failed/{attempt}", subject, lines, Urgency.URGENT)


def tell_rolled_back(platform: Platform, incident: Incident, words: str) -> None:
    """That production went back; whether users are well again is another thing."""
    subject = f"{incident.id}: rolled back"
    lines = [words, f"Check that users are well: `shopkart incident {incident.id} verify`"]
    _tell(platform, incident, f"rolled-back/{words}", subject, lines, Urgency.NORMAL)


def tell_closed(platform: Platform, incident: Incident, words: str) -> None:
    """That nobody has to look any more."""
    _tell(platform, incident, "closed", f"{incident.id}: closed", [words], Urgency.OVER)


def rollback_command(incident: Incident) -> str:
    """What to type to take the suspected release back."""
    return f"shopkart incident {incident.id} rollback"


def _subject(incident: Incident) -> str:
    return f"[{incident.severity}] {incident.service} in {incident.environment}: {incident.reason}"[:300]


def _tell(platform: Platform, incident: Incident, what: str, subject: str, lines: list[str], urgency: Urgency) -> None:
    page = f"{platform.public_url}/assets/incident/dashboards?view=partitions&partition={incident.id}"
    url = page if platform.public_url else None
    notify(platform, Notification(f"{incident.id}/{what}", incident.id, subject, "\n".join(lines), url, urgency))
