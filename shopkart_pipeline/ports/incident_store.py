"""Where incidents, their postmortems and what was gathered for them are kept."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from shopkart_pipeline.domain.incident import Incident

POSTMORTEM = "postmortem.md"


class IncidentStore(ABC):
    """Durable. What is changed is changed by one at a time, over all processes: of two who acknowledge at once, none is
    lost. Raises `ToolUnavailable` where it can't be written, and then what was kept before is still there."""

    @abstractmethod
    def keep(self, choose: Callable[[tuple[Incident, ...]], Incident]) -> Incident:
        """Hand all incidents, newest first, to `choose`, and keep the one that it returns under its id, new or changed.
        Of two who open at once, the second one sees the first one's. `choose` only decides: it does nothing slow."""

    @abstractmethod
    def change(self, incident_id: str, change: Callable[[Incident], Incident]) -> Incident:
        """Keep what `change` makes of an incident, and return it. What `change` raises leaves all as it was. Raises
        `NotFound`."""

    @abstractmethod
    def get(self, incident_id: str) -> Incident:
        """One incident; raises `NotFound`."""

    @abstractmethod
    def list(self) -> tuple[Incident, ...]:
        """All incidents, newest first."""

    @abstractmethod
    def attach(self, incident_id: str, name: str, content: bytes) -> None:
        """Keep a file beside an incident; one of the same name is replaced."""

    @abstractmethod
    def attached(self, incident_id: str) -> tuple[str, ...]:
        """Names of the files beside an incident, sorted."""

    @abstractmethod
    def attachment(self, incident_id: str, name: str) -> bytes:
        """One of these files; raises `NotFound`."""

    def postmortem(self, incident_id: str) -> str | None:
        """The Markdown of a postmortem, or None while there is none."""
        if POSTMORTEM not in self.attached(incident_id):
            return None
        return self.attachment(incident_id, POSTMORTEM).decode()
