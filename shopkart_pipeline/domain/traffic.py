"""Counts of requests, as the route or the replicas report them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Counts:
    """Requests answered, and those among them answered with a server error (status 500 and above)."""

    requests: int
    errors: int

    @property
    def error_ratio(self) -> float:
        """0 to 1; zero requests have the ratio 0 and say nothing, which callers must check first."""
        return self.errors / self.requests if self.requests else 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.requests + other.requests, self.errors + other.errors)

    def __sub__(self, other: "Counts") -> "Counts":
        """Growth since `other`; a counter that went back was reset, and what it shows now is the growth."""
        if self.requests < other.requests or self.errors < other.errors:
            return self
        return Counts(self.requests - other.requests, self.errors - other.errors)


@dataclass(frozen=True)
class TrafficSample:
    """Cumulative counts of both tracks at one moment."""

    at: datetime
    canary: Counts
    stable: Counts


@dataclass(frozen=True)
class MetricsMissing:
    """Why there are no metrics for this moment. It is never read as zero."""

    at: datetime
    reason: str
