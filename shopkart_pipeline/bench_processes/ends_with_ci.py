"""A platform on which nothing follows continuous integration, because the bench has no environments to deploy to.

That a phase is through is still written to the inbox, as part of the last stage; only nobody acts upon it.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.inbox import Delivery, Inbox
from shopkart_pipeline.services.own_events import PHASE_PASSED
from shopkart_pipeline.services.platform import Platform


def ends_with_ci(platform: Platform) -> Platform:
    """The same platform with such an inbox."""
    return replace(platform, inbox=_CiOnly(platform.inbox, platform.clock))


class _CiOnly(Inbox):
    """Closes what asks for the next phase before anybody sees it."""

    def __init__(self, inner: Inbox, clock: Clock) -> None:
        self._inner, self._clock = inner, clock

    def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
        return self._inner.put_all(deliveries)

    def pending(self, limit: int = 100, after: str | None = None) -> tuple[Delivery, ...]:
        found = self._inner.pending(limit, after)
        for delivery in found:
            if delivery.event == PHASE_PASSED:
                self._inner.done(delivery.id, "the bench ends here", self._clock.now())
        return tuple(delivery for delivery in found if delivery.event != PHASE_PASSED)

    def waiting(self) -> int:
        return self._inner.waiting()

    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        self._inner.done(delivery_id, outcome, now)

    def known(self, ids: Collection[str]) -> frozenset[str]:
        return self._inner.known(ids)

    def find(self, delivery_id: str) -> Delivery | None:
        return self._inner.find(delivery_id)

    def drop_bodies(self, done_before: datetime) -> int:
        return self._inner.drop_bodies(done_before)
