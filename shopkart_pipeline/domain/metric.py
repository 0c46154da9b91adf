"""What the pipeline counts of itself, in Prometheus' words: counters and histograms that only grow, and gauges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""


class MetricKind(StrEnum):
    """As Prometheus names them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric: what it is called, and what it means."""

    name: str
    kind: MetricKind
    text: str
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, without the last one."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series."""
        if self.kind is not MetricKind.HISTOGRAM:
            return (self.name,)
        return tuple(f"{self.name}{part}" for part in ("_bucket", "_sum", "_count"))


@dataclass(frozen=True)
class Sample:
    """One number."""

    name: str
    """That of the metric, or with `_bucket`, `_sum` or `_count` at its end."""
    labels: Labels
    value: float


def labels_of(labels: Mapping[str, str]) -> Labels:
    """Labels in their order."""
    return tuple(sorted(labels.items()))


def observed(metric: Metric, value: float, labels: Mapping[str, str]) -> Iterator[Sample]:
    """By how much the series of a histogram grow when a value is observed, those that don't included: a bucket that is
    not there is taken for another one. Buckets are cumulative."""
    for bound in (*metric.bounds, inf):
        yield Sample(f"{metric.name}_bucket", labels_of({**labels, "le": written(bound)}), float(value <= bound))
    yield Sample(f"{metric.name}_sum", labels_of(labels), value)
    yield Sample(f"{metric.name}_count", labels_of(labels), 1)


def written(value: float) -> str:
    """A number as Prometheus writes it."""
    return "+Inf" if value == inf else f"{value:.15g}"
