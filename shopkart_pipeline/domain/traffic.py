"""Counts of requests, as the route or the replicas report them.

Beside requests and errors, a track may have counts of declared business events and a histogram of its latency. What is
not there was not measured: it is never read as zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from shopkart_pipeline.domain.latency import Histogram

LATENCY = "latency"
"""Name of the latency among the streams of a sample; events have the names that they were declared by."""


@dataclass(frozen=True)
class Counts:
    """Requests answered, and those among them answered with a server error (status 500 and above)."""

    requests: int
    errors: int
    events: Mapping[str, int] = field(default_factory=dict[str, int], hash=False)
    """Business events by name, such as completed checkouts; only those that were measured."""
    latency: Histogram | None = None
    """None: was not measured."""

    @property
    def error_ratio(self) -> float:
        """0 to 1; zero requests have the ratio 0 and say nothing, which callers must check first."""
        return self.errors / self.requests if self.requests else 0.0

    def __add__(self, other: "Counts") -> "Counts":
        """The sum; what one of both did not measure is taken from the other."""
        names = {**self.events, **other.events}
        events = {name: self.events.get(name, 0) + other.events.get(name, 0) for name in names}
        latency = self.latency + other.latency if self.latency and other.latency else self.latency or other.latency
        return Counts(self.requests + other.requests, self.errors + other.errors, events, latency)

    def __sub__(self, other: "Counts") -> "Counts":
        """Growth since `other`; a counter that went back was reset, and what it shows now is the growth. What only one
        of both measured has no known growth."""
        events = {name: count - other.events[name] for name, count in self.events.items() if name in other.events}
        latency = self.latency - other.latency if self.latency and other.latency else None
        grown = Counts(self.requests - other.requests, self.errors - other.errors, events, latency)
        went_back = min(grown.requests, grown.errors, *events.values(), *(latency.counts if latency else ())) < 0
        return self if went_back else grown

    def only(self, streams: frozenset[str]) -> "Counts":
        """The same without events and latency that are not among `streams`."""
        events = {name: count for name, count in self.events.items() if name in streams}
        return replace(self, events=events, latency=self.latency if LATENCY in streams else None)

    @property
    def streams(self) -> frozenset[str]:
        """What was measured beside requests and errors."""
        return frozenset(self.events) | ({LATENCY} if self.latency else frozenset[str]())


@dataclass(frozen=True)
class TrafficSample:
    """Cumulative counts of both tracks at one moment."""

    at: datetime
    canary: Counts
    stable: Counts
    silent: tuple[str, ...] = ()
    """Streams that were seen before and that this look did not see; their counts are those of the look before."""

    def growth_since(self, before: "TrafficSample") -> tuple[Counts, Counts]:
        """What canary and stable answered since; a stream that grew by an unknown number on one track says nothing on
        the other one either."""
        canary, stable = self.canary - before.canary, self.stable - before.stable
        both = canary.streams & stable.streams
        if canary.streams == stable.streams:
            return canary, stable
        return canary.only(both), stable.only(both)


@dataclass(frozen=True)
class MetricsMissing:
    """Why there are no metrics for this moment. It is never read as zero."""

    at: datetime
    reason: str
