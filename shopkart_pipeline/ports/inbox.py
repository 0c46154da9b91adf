"""Events on their way in. An event is acknowledged when it is durable, and done when it has been acted upon.

Ids are compared with what was *processed*, not with what was seen: GitHub delivers again under the id of the first
time, and that has to be able to mend things. What is pending stays pending, what has led to something stays done, and
what has led to nothing (it was ignored, or could not be understood) is pending once more, because somebody delivered it
again after having changed something.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

LED_TO_NOTHING = ("rejected: ", "ignored: ")
"""How outcomes begin that leave a delivery open to being delivered again."""
MOST_PENDING_BYTES = 64 * 1024 * 1024
"""What is handed out at once: a delivery can have 25 MB, so a hundred of them would be too many for one process."""


@dataclass(frozen=True)
class Delivery:
    """One event from outside (`push`, ...) or from the pipeline itself (`shopkart.*`)."""

    id: str
    """`X-GitHub-Delivery`, or an id that the sender derives from what happened; equal ids are one event."""
    event: str
    received_at: datetime
    body: bytes = field(repr=False)


class Inbox(ABC):
    """Durable queue, in order of arrival. Every method raises `ToolUnavailable` when the store can't be used."""

    def put(self, delivery: Delivery) -> bool:
        """Keep one delivery; see `put_all`."""
        return self.put_all([delivery])[0]

    @abstractmethod
    def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
        """Keep deliveries, all or none of them; durable when this returns.

        Returns:
            For each whether it is pending because of this. It is not where the id is pending already, or has led to
            something. Where it had led to nothing (`LED_TO_NOTHING`), it takes the place of the earlier one.
        """

    @abstractmethod
    def pending(self, limit: int = 100, after: str | None = None) -> tuple[Delivery, ...]:
        """Deliveries that are not done, oldest first.

        Args:
            limit: not more than these, nor more than `MOST_PENDING_BYTES` together; one is always handed out.
            after: only those that came after the delivery with this id.
        """

    @abstractmethod
    def waiting(self) -> int:
        """How many deliveries are not done."""

    @abstractmethod
    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        """Say what became of a delivery; from then on it is not pending. This alone may be lost in a power failure:
        then the delivery is pending again, and acting upon it twice is no harm."""

    @abstractmethod
    def known(self, ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that deliveries came under, whatever became of them."""

    @abstractmethod
    def find(self, delivery_id: str) -> Delivery | None:
        """A delivery, done or not; its body is empty where it was forgotten. None where none came under that id."""

    @abstractmethod
    def drop_bodies(self, done_before: datetime) -> int:
        """Forget the bodies of deliveries that were done before; ids and outcomes stay known. Returns how many."""
