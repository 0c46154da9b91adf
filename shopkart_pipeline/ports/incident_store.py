"""Where incidents and their postmortems are kept."""

from abc import ABC, abstractmethod

from shopkart_pipeline.domain.incident import Incident


class IncidentStore(ABC):
    """Durable; saving again replaces."""

    @abstractmethod
    def save(self, incident: Incident, postmortem: str | None = None) -> None:
        """Keep an incident, and the Markdown of its postmortem if there is one yet."""

    @abstractmethod
    def get(self, incident_id: str) -> Incident:
        """One incident; raises `NotFound`."""

    @abstractmethod
    def postmortem(self, incident_id: str) -> str | None:
        """The Markdown of a postmortem, or None while there is none."""

    @abstractmethod
    def list(self) -> tuple[Incident, ...]:
        """All incidents, newest first."""
