"""The eight metrics of a running service, per version and environment, under one name and in one unit everywhere.

CPU, memory, restarts, latency (at three quantiles), requests, errors, disk and database connections. A metric that
could not be measured is missing with a reason; it is never read as zero.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shopkart_pipeline.domain.traffic import Counts

RATE_WINDOW = timedelta(minutes=1)
"""Over which rates, ratios and latencies of now are computed."""


class Vital(StrEnum):
    """One metric; its name ends with its unit."""

    CPU_USAGE_CORES = "cpu_usage_cores"
    """CPU time used per second, all replicas of the version together."""
    MEMORY_USAGE_BYTES = "memory_usage_bytes"
    """Resident memory, all replicas together."""
    POD_RESTARTS = "pod_restarts"
    """How often replicas of now were started again."""
    LATENCY_P50_SECONDS = "latency_p50_seconds"
    LATENCY_P95_SECONDS = "latency_p95_seconds"
    LATENCY_P99_SECONDS = "latency_p99_seconds"
    REQUEST_RATE = "request_rate"
    """Answered requests per second."""
    ERROR_RATIO = "error_ratio"
    """Share of the answered requests with status 500 and above, 0 to 1."""
    DISK_USAGE_BYTES = "disk_usage_bytes"
    """What replicas keep on disk, their logs at least."""
    DATABASE_CONNECTIONS = "database_connections"
    """Open connections to the environment's database."""

    @property
    def quantile(self) -> float | None:
        """Which quantile of the latency it is, 0 to 1; None where it is no latency."""
        return _QUANTILES.get(self)

    @property
    def unit(self) -> str:
        """What one of it is, for people: a word or a sign, empty for plain counts."""
        return _UNITS.get(self, "s" if self in _QUANTILES else "")

    @property
    def words(self) -> str:
        """Its name as people read it."""
        return _TITLES[self]


_QUANTILES = {Vital.LATENCY_P50_SECONDS: 0.5, Vital.LATENCY_P95_SECONDS: 0.95, Vital.LATENCY_P99_SECONDS: 0.99}
_UNITS = {
    Vital.CPU_USAGE_CORES: "cores",
    Vital.MEMORY_USAGE_BYTES: "bytes",
    Vital.REQUEST_RATE: "1/s",
    Vital.DISK_USAGE_BYTES: "bytes",
}
_TITLES = {
    Vital.CPU_USAGE_CORES: "CPU usage",
    Vital.MEMORY_USAGE_BYTES: "Memory usage",
    Vital.POD_RESTARTS: "Pod restarts",
    Vital.LATENCY_P50_SECONDS: "Latency p50",
    Vital.LATENCY_P95_SECONDS: "Latency p95",
    Vital.LATENCY_P99_SECONDS: "Latency p99",
    Vital.REQUEST_RATE: "Request rate",
    Vital.ERROR_RATIO: "Error ratio",
    Vital.DISK_USAGE_BYTES: "Disk usage",
    Vital.DATABASE_CONNECTIONS: "Database connections",
}


@dataclass(frozen=True)
class VitalReading:
    """A metric of one version at one moment."""

    at: datetime
    value: float
    version: str
    """Key of the release; empty for what nobody can tell apart by version, such as connections to a shared server."""


@dataclass(frozen=True)
class VitalMissing:
    """Why a metric could not be measured."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class VitalSeries:
    """A metric of one version over a time."""

    vital: Vital
    version: str
    """As in `VitalReading`."""
    points: tuple[tuple[datetime, float], ...]
    """Oldest first; a moment that nobody measured is not there."""


@dataclass(frozen=True)
class PeakRate:
    """The highest rate of requests in a time, all versions together."""

    rate: float
    """Requests a second, on average over a `RATE_WINDOW`."""
    covered_ratio: float
    """For which part of the time (0 to 1) anybody measured."""


def counted(vital: Vital, answered: Counts, seconds: float) -> float | None:
    """A metric that follows from what was answered in so many seconds; None where it says nothing or is another one."""
    if vital is Vital.REQUEST_RATE:
        return answered.requests / seconds if seconds > 0 else None
    if not answered.requests:
        return None
    if vital is Vital.ERROR_RATIO:
        return answered.error_ratio
    if vital.quantile is None or answered.latency is None or not answered.latency.total:
        return None
    return answered.latency.quantile(vital.quantile)
