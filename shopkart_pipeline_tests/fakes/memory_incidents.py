"""Incidents in memory."""

from collections.abc import Callable

from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.ports.incident_store import IncidentStore


class MemoryIncidentStore(IncidentStore):
    """Keeps incidents and what is beside them by id."""

    def __init__(self) -> None:
        self.is_full = False
        """Whether nothing more can be written."""
        self._incidents: dict[str, Incident] = {}
        self._attached: dict[str, dict[str, bytes]] = {}

    def keep(self, choose: Callable[[tuple[Incident, ...]], Incident]) -> Incident:
        return self._write(choose(self.list()))

    def change(self, incident_id: str, change: Callable[[Incident], Incident]) -> Incident:
        return self._write(change(self.get(incident_id)))

    def get(self, incident_id: str) -> Incident:
        try:
            return self._incidents[incident_id]
        except KeyError:
            raise NotFound(f"There is no incident {incident_id!r}.", "") from None

    def list(self) -> tuple[Incident, ...]:
        return tuple(sorted(self._incidents.values(), key=lambda incident: incident.opened_at, reverse=True))

    def attach(self, incident_id: str, name: str, content: bytes) -> None:
        self._refuse_if_full()
        self._attached.setdefault(self.get(incident_id).id, {})[name] = content

    def attached(self, incident_id: str) -> tuple[str, ...]:
        return tuple(sorted(self._attached.get(self.get(incident_id).id, {})))

    def attachment(self, incident_id: str, name: str) -> bytes:
        try:
            return self._attached[self.get(incident_id).id][name]
        except KeyError:
            raise NotFound(f"There is no {name!r} beside incident {incident_id}.", "") from None

    def _write(self, incident: Incident) -> Incident:
        self._refuse_if_full()
        self._incidents[incident.id] = incident
        return incident

    def _refuse_if_full(self) -> None:
        if self.is_full:
            raise ToolUnavailable("The incident could not be kept: No space left on device.", "Make room.")
