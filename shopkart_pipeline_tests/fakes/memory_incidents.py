"""Incidents in memory."""

from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.ports.incident_store import IncidentStore


class MemoryIncidentStore(IncidentStore):
    """Keeps incidents and postmortems by id."""

    def __init__(self) -> None:
        self._incidents: dict[str, Incident] = {}
        self._postmortems: dict[str, str] = {}

    def save(self, incident: Incident, postmortem: str | None = None) -> None:
        self._incidents[incident.id] = incident
        if postmortem is not None:
            self._postmortems[incident.id] = postmortem

    def get(self, incident_id: str) -> Incident:
        try:
            return self._incidents[incident_id]
        except KeyError:
            raise NotFound(f"There is no incident {incident_id!r}.", "") from None

    def postmortem(self, incident_id: str) -> str | None:
        return self._postmortems.get(self.get(incident_id).id)

    def list(self) -> tuple[Incident, ...]:
        found = self._incidents.values()
        return tuple(sorted(found, key=lambda incident: incident.timeline[0].at, reverse=True))
