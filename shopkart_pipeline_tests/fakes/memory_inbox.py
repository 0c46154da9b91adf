"""An inbox in memory."""

from datetime import datetime

from shopkart_pipeline.ports.inbox import Delivery, Inbox


class MemoryInbox(Inbox):
    """Keeps deliveries in the order of their arrival."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        """What became of deliveries, by id."""
        self._deliveries: dict[str, Delivery] = {}

    def put(self, delivery: Delivery) -> bool:
        if delivery.id in self._deliveries:
            return False
        self._deliveries[delivery.id] = delivery
        return True

    def pending(self, limit: int = 100) -> tuple[Delivery, ...]:
        return tuple(each for each in self._deliveries.values() if each.id not in self.outcomes)[:limit]

    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        if delivery_id in self._deliveries:
            self.outcomes.setdefault(delivery_id, outcome)
