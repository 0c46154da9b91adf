"""What a running service tells about itself: counts of requests, and log lines."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.history import History
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Track


class Metrics(ABC):
    """A metrics server."""

    @abstractmethod
    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        """Cumulative request counts of both tracks, with a histogram of the latency where there is one. Silence,
        nonsense and a time-out are `MetricsMissing`.

        Args:
            environment: its name.
            service: its name.
            now: the time.
            since: when the canary first had traffic; None where there is none, and stable alone has to be seen. Only
                counts with the same `since` belong together; what was counted before it may be among them.
        """

    def events(
        self,
        environment: str,
        service: str,
        now: datetime,
        rules: Sequence[EventRule],
        since: datetime | None = None,
    ) -> Mapping[str, tuple[int, int]] | MetricsMissing:
        """Cumulative counts of declared events, by name: on the canary, and on stable. All of them or `MetricsMissing`,
        as where a metrics server can't count them. `since` as for `traffic`."""
        return MetricsMissing(now, "this metrics server counts no events")

    def history(
        self, environment: str, service: str, since: datetime, until: datetime, rules: Sequence[EventRule]
    ) -> History | MetricsMissing:
        """What stable showed against itself (see `domain.history.learn`); `MetricsMissing` where nothing was kept."""
        return MetricsMissing(until, "this metrics server keeps no history of replicas")


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

    @abstractmethod
    def search(
        self, environment: str, service: str, since: datetime, until: datetime, *, text: str = "", limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        """Lines of every level in a window that have this text in their message, whatever its letters' case; the newest
        `limit` of them, oldest first. Lines that are not structured have an empty level."""

    def keep_up(self, now: datetime) -> tuple[str, ...]:
        """Take in what was written meanwhile, and let go of what is old, where the store is the pipeline's own; returns
        what did not go well. Being killed in the middle does no harm."""
        return ()
