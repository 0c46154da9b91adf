"""A platform on which nothing follows continuous integration, because the bench has no environments to deploy to.

That a phase is through is still written to the inbox, as part of the last stage; only nobody acts upon it.
"""

from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.inbox import Delivery, Inbox
from shopkart_pipeline.services.accept_release import PHASE_PASSED
from shopkart_pipeline.services.platform import Platform


def ends_with_ci(platform: Platform) -> Platform:
    """The same platform with such an inbox."""
    return replace(platform, inbox=_CiOnly(platform.inbox, platform.clock))


class _CiOnly(Inbox):
    """Closes what asks for the next phase before anybody sees it."""

    def __init__(self, inner: Inbox, clock: Clock) -> None:
        self._inner, self._clock = inner, clock

    def put(self, delivery: Delivery) -> bool:
        return self._inner.put(delivery)

    def pending(self, limit: int = 100) -> tuple[Delivery, ...]:
        found = self._inner.pending(limit)
        for delivery in found:
            if delivery.event == PHASE_PASSED:
                self._inner.done(delivery.id, "the bench ends here", self._clock.now())
        return tuple(delivery for delivery in found if delivery.event != PHASE_PASSED)

    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        self._inner.done(delivery_id, outcome, now)
