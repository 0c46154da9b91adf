"""Incidents as documents, and the names that they and what is beside them may have: of one visible folder or file."""

import logging
import re
from collections.abc import Callable, Iterable

from pydantic import TypeAdapter

from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.incident import Incident

log = logging.getLogger(__name__)

INCIDENT = TypeAdapter(Incident)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
DOCUMENT = "incident.json"


def is_incident_id(text: str) -> bool:
    """Whether an incident may have this id."""
    return _NAME.fullmatch(text) is not None


def is_attachment_name(text: str) -> bool:
    """Whether what is kept beside an incident may be called so."""
    return is_incident_id(text) and text != DOCUMENT


def no_incident(incident_id: str) -> NotFound:
    """What is raised where there is none of that id."""
    return NotFound(f"There is no incident {incident_id!r}.", "See `shopkart incidents` for those there are.")


def no_attachment(incident_id: str, name: str) -> NotFound:
    """What is raised where nothing of that name is beside an incident."""
    return NotFound(f"There is no {name!r} beside incident {incident_id}.", "See what its folder holds.")


def newest_first(ids: Iterable[str], read: Callable[[str], Incident | None]) -> tuple[Incident, ...]:
    """Incidents in their order. One that can't be read must not keep others from being opened, so it is left out and
    logged; whoever asks for it is told."""

    def readable(incident_id: str) -> Incident | None:
        try:
            return read(incident_id)
        except PipelineError as error:
            log.error("an incident is left out: %s %s", error.what, error.fix)
            return None

    found = filter(None, map(readable, ids))
    return tuple(sorted(found, key=lambda incident: (incident.opened_at, incident.id), reverse=True))
