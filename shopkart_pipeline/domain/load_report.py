"""What a load test showed: for each multiple a histogram of latencies and counts of how requests ended, and the same by
second.

Latency is counted from the moment for which a request was intended, so what waited for a busy connection, or behind a
generator that was late, waited as a customer would. It counts for answers of any status and for requests that ran out
of time; a connection that was refused has no latency. A request failed that was not answered, or with status 400 and
above.

Whether a test says anything: nothing was sent, or the generator itself could not keep up. A service that is too slow to
take what was sent is another matter: then connections are all busy, and the numbers say so (`sent_ratio`).
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.load_test import Step

TIMED_OUT, NO_CONNECTION, NOT_SENT = "timeout", "connection", "no free connection"
"""How a request may end without an answer; anything else is a status."""
LOAD_REPORT = "load.json"
"""Name of the raw report."""
_LATENCIES = {"latency_p50_seconds": 0.5, "latency_p95_seconds": 0.95, "latency_p99_seconds": 0.99}
_GROWTH, _FIRST_SECONDS, _LAST_SECONDS = 1.05, 0.0001, 120.0
_LEAST_DISPATCHED_RATIO = 0.95
_LATE_SECONDS = 0.1
"""A generator that is as late with every second request does not send what it was asked to."""


def _log_bounds() -> tuple[float, ...]:
    bounds = [_FIRST_SECONDS]
    while bounds[-1] < _LAST_SECONDS:
        bounds.append(bounds[-1] * _GROWTH)
    return tuple(bounds)


LOG_BOUNDS = _log_bounds()
"""From a tenth of a millisecond to two minutes; a quantile is at most five percent off."""


@dataclass
class Second:
    """What was intended for one second of the test."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    latencies: Counter[int] = field(default_factory=Counter[int])
    """Requests by index of their bucket of `LOG_BOUNDS`."""

    def latency_seconds(self, quantile: float) -> float | None:
        """None where nothing was answered."""
        histogram = histogram_of(self.latencies)
        return histogram.quantile(quantile) if histogram.total else None


@dataclass
class StepResult:
    """What one multiple showed while it was held."""

    step: Step
    dispatched_in_time: int = 0
    """The generator's own part was done before the hold was over."""
    sent_in_time: int = 0
    """And a connection was free."""
    ends: Counter[str] = field(default_factory=Counter[str])
    """By status, or how else they ended."""
    failed: int = 0
    latencies: Counter[int] = field(default_factory=Counter[int])
    longest_seconds: float = 0.0
    lags: Counter[int] = field(default_factory=Counter[int])
    """By how much the generator was late, in the same buckets."""
    most_in_flight: int = 0

    def measures(self) -> Mapping[str, float]:
        """The numbers of this multiple, each by its name after the multiple's. A latency that nobody has is not
        there."""
        latency, lag = histogram_of(self.latencies), histogram_of(self.lags)
        found = {
            "requests": float(self.ends.total()),
            "request_rate": self.sent_in_time / self.step.hold_seconds,
            "sent_ratio": self.sent_in_time / self.step.hold_count,
            "most_in_flight": float(self.most_in_flight),
            "send_lag_p99_seconds": lag.quantile(0.99),
        }
        if self.ends:
            found["error_ratio"] = self.failed / self.ends.total()
        if latency.total:
            for name, quantile in _LATENCIES.items():
                found[name] = min(latency.quantile(quantile), self.longest_seconds)
            found["latency_max_seconds"] = self.longest_seconds
        return {f"{self.step.name}_{name}": value for name, value in found.items()}

    @property
    def saturation(self) -> str | None:
        """Why the generator is to blame for what it did not send; None where it kept up."""
        dispatched = self.dispatched_in_time / self.step.hold_seconds
        if self.dispatched_in_time < _LEAST_DISPATCHED_RATIO * self.step.hold_count:
            return f"the generator could not send {self.step.rate:g}/s: {dispatched:.3g}/s"
        late_seconds = histogram_of(self.lags).quantile(0.5)
        if late_seconds > _LATE_SECONDS:
            return f"the generator could not send {self.step.rate:g}/s in time: it was {late_seconds:.2g} s late"
        return None


@dataclass(frozen=True)
class LoadReport:
    """All of a test."""

    steps: tuple[StepResult, ...]
    seconds: Mapping[int, Second]
    """By second since the test began; one in which nothing was intended is not there."""

    @property
    def is_empty(self) -> bool:
        """Whether no request ever left the generator."""
        return not any(second.sent for second in self.seconds.values())

    def document(self, began_at: datetime) -> bytes:
        """As JSON: enough to draw it, and to compute any other quantile."""
        told = {
            "began_at": began_at.isoformat(),
            "bounds_seconds": [float(f"{bound:.4g}") for bound in LOG_BOUNDS],
            "steps": [_step_document(result) for result in self.steps],
            "seconds": {str(at): _second_document(second) for at, second in sorted(self.seconds.items())},
        }
        return json.dumps(told).encode()


@dataclass(frozen=True)
class DocumentSecond:
    """A second of a test as its report has it."""

    at: datetime
    sent: int
    answered: int
    failed: int
    latencies: Mapping[str, float]
    """By metric; empty where nothing was answered."""


@dataclass(frozen=True)
class LoadDocument:
    """What is drawn of a report."""

    seconds: tuple[DocumentSecond, ...]
    holds: tuple[tuple[datetime, float], ...]
    """When each multiple began to be held."""
    ended_at: datetime

    @classmethod
    def of(cls, content: bytes) -> "LoadDocument":
        """Read what `LoadReport.document` wrote."""
        told: dict[str, Any] = json.loads(content)
        began, last = datetime.fromisoformat(told["began_at"]), told["steps"][-1]
        return cls(
            tuple(_second_of(began + timedelta(seconds=int(at)), each) for at, each in told["seconds"].items()),
            tuple((began + timedelta(seconds=each["hold_begins_seconds"]), each["multiple"]) for each in told["steps"]),
            began + timedelta(seconds=last["hold_begins_seconds"] + last["hold_seconds"]),
        )


def _second_of(at: datetime, told: Mapping[str, Any]) -> DocumentSecond:
    latencies = {name: told[name] for name in _LATENCIES if told[name] is not None}
    return DocumentSecond(at, told["sent"], told["answered"], told["failed"], latencies)


def histogram_of(counts: Mapping[int, int]) -> Histogram:
    """The counts of buckets of `LOG_BOUNDS` as a histogram."""
    return Histogram(LOG_BOUNDS, tuple(counts.get(index, 0) for index in range(len(LOG_BOUNDS) + 1)))


def _step_document(result: StepResult) -> dict[str, object]:
    step = result.step
    return {
        "multiple": step.multiple,
        "rate": step.rate,
        "hold_begins_seconds": step.hold_begins,
        "hold_seconds": step.hold_seconds,
        "measures": dict(result.measures()),
        "ends": dict(sorted(result.ends.items())),
        "latencies": {str(index): count for index, count in sorted(result.latencies.items())},
    }


def _second_document(second: Second) -> dict[str, object]:
    return {
        "sent": second.sent,
        "answered": second.answered,
        "failed": second.failed,
        **{name: second.latency_seconds(quantile) for name, quantile in _LATENCIES.items()},
    }
