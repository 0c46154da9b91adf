"""An inbox in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.ports.inbox import LED_TO_NOTHING, MOST_PENDING_BYTES, Delivery, Inbox


class MemoryInbox(Inbox):
    """Keeps deliveries in the order of their arrival."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        """What became of deliveries, by id."""
        self._deliveries: dict[str, Delivery] = {}
        self._done_at: dict[str, datetime] = {}

    @property
    def body_bytes(self) -> int:
        """Of all bodies that are kept."""
        return sum(len(each.body) for each in self._deliveries.values())

    def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
        return tuple(self._put(delivery) for delivery in deliveries)

    def _put(self, delivery: Delivery) -> bool:
        if delivery.id in self._deliveries and not self.outcomes.get(delivery.id, "").startswith(LED_TO_NOTHING):
            return False
        self.outcomes.pop(delivery.id, None)
        self._deliveries[delivery.id] = delivery
        return True

    def pending(self, limit: int = 100, after: str | None = None) -> tuple[Delivery, ...]:
        known = list(self._deliveries)
        later = known[known.index(after) + 1 :] if after in known else known
        found: list[Delivery] = []
        for each in [self._deliveries[name] for name in later if name not in self.outcomes][:limit]:
            if found and sum(len(one.body) for one in [*found, each]) > MOST_PENDING_BYTES:
                break
            found.append(each)
        return tuple(found)

    def waiting(self) -> int:
        return len(self._deliveries.keys() - self.outcomes.keys())

    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        if delivery_id in self._deliveries and delivery_id not in self.outcomes:
            self.outcomes[delivery_id] = outcome
            self._done_at[delivery_id] = now

    def known(self, ids: Collection[str]) -> frozenset[str]:
        return frozenset(each for each in ids if each in self._deliveries)

    def find(self, delivery_id: str) -> Delivery | None:
        return self._deliveries.get(delivery_id)

    def drop_bodies(self, done_before: datetime) -> int:
        old = [
            each
            for each in self._deliveries.values()
            if each.body and each.id in self.outcomes and self._done_at[each.id] < done_before
        ]
        for each in old:
            self._deliveries[each.id] = replace(each, body=b"")
        return len(old)
