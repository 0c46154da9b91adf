"""A declared window of more replicas: between two moments, or whenever it comes again, and its lead time before."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.domain.recurrence import Recurrence


@dataclass(frozen=True)
class Span:
    """One time of a window."""

    name: str
    warm_at: datetime
    """When replicas begin to be raised."""
    begins_at: datetime
    ends_at: datetime
    """Excluded."""

    @property
    def key(self) -> str:
        return f"{self.name} of {self.begins_at.isoformat(timespec='minutes')}"


@dataclass(frozen=True)
class ScaleWindow:
    """Either `begins_at` and `ends_at` are set, or `recurrence` and `lasts_seconds`; and one of `minimum`, `factor`."""

    name: str
    minimum: int | None = None
    factor: float | None = None
    """Times the fewest replicas of every day, rounded up."""
    lead_seconds: float = 0.0
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    recurrence: Recurrence | None = None
    lasts_seconds: float = 0.0

    def on_at(self, now: datetime) -> Span | None:
        """The time of the window that is on, its lead time included; the latest one where they overlap."""
        found = None
        if self.recurrence is None:
            only = self._only()
            return only if only is not None and _is_on(only, now) else None
        for moment in self.recurrence.since(now - timedelta(seconds=self.lasts_seconds)):
            span = self._span(moment)
            if _utc(span.warm_at) > now:
                break
            found = span if _is_on(span, now) else found
        return found

    def next_after(self, now: datetime) -> Span | None:
        """The next time of the window that has not begun to be prepared; None where none comes."""
        if self.recurrence is None:
            only = self._only()
            return only if only is not None and _utc(only.warm_at) > now else None
        moments = self.recurrence.since(now + timedelta(seconds=self.lead_seconds))
        return next((span for span in map(self._span, moments) if _utc(span.warm_at) > now), None)

    def _only(self) -> Span | None:
        if self.begins_at is None or self.ends_at is None:
            return None
        return Span(self.name, self._warm(self.begins_at), self.begins_at, self.ends_at)

    def _span(self, begins: datetime) -> Span:
        # By way of UTC: hours pass, whatever the clock is set to meanwhile.
        ends = (_utc(begins) + timedelta(seconds=self.lasts_seconds)).astimezone(begins.tzinfo)
        return Span(self.name, self._warm(begins), begins, ends)

    def _warm(self, begins: datetime) -> datetime:
        return (_utc(begins) - timedelta(seconds=self.lead_seconds)).astimezone(begins.tzinfo)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _is_on(span: Span, now: datetime) -> bool:
    return _utc(span.warm_at) <= now < _utc(span.ends_at)
