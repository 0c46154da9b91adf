"""What a running service tells about itself: counts of requests, and log lines."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Track


class Metrics(ABC):
    """A metrics server."""

    @abstractmethod
    def traffic(self, environment: str, service: str, now: datetime) -> TrafficSample | MetricsMissing:
        """Cumulative request counts of both tracks. Silence, nonsense and a time-out are `MetricsMissing`."""


@dataclass(frozen=True)
class LogLine:
    """One structured line of a replica's log."""

    at: datetime
    track: Track
    replica: str
    release_key: str
    level: str
    message: str
    signature: str | None
    """What kind of error it is, such as exception type and function; None for lines that aren't errors."""


@dataclass(frozen=True)
class LogsMissing:
    """Why there are no log lines to show."""

    reason: str


class Logs(ABC):
    """A log store."""

    @abstractmethod
    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        """Lines of level error and above in a window, oldest first, at most `limit`."""
