"""Events on their way in. An event is acknowledged when it is durable, and done when it has been acted upon."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Delivery:
    """One event from outside (`push`, ...) or from the pipeline itself (`shopkart.*`)."""

    id: str
    """`X-GitHub-Delivery`, or an id that the sender derives from what happened; equal ids are one event."""
    event: str
    received_at: datetime
    body: bytes = field(repr=False)


class Inbox(ABC):
    """Durable queue, in order of arrival."""

    @abstractmethod
    def put(self, delivery: Delivery) -> bool:
        """Keep a delivery; durable when this returns. False if that id is known already."""

    @abstractmethod
    def pending(self, limit: int = 100) -> tuple[Delivery, ...]:
        """Deliveries that are not done, oldest first."""

    @abstractmethod
    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        """Say what became of a delivery; from then on it is not pending."""
