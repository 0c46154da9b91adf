"""Latency as a histogram: how many requests took how long, in buckets that the metrics server chose.

Quantiles are interpolated within a bucket as Prometheus' `histogram_quantile` does it: requests are taken as evenly
spread over their bucket, and a quantile beyond the last bound is that bound.
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True)
class Histogram:
    """Requests by how long they took.

    Raises:
        ValueError: bounds don't grow, or there is not one count more than there are bounds.
    """

    bounds: tuple[float, ...]
    """Upper bounds of the buckets in seconds, growing."""
    counts: tuple[int, ...]
    """Requests in each bucket alone (not cumulative), and at the end those above the last bound."""

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.bounds) + 1:
            raise ValueError(f"{len(self.bounds)} bounds have {len(self.counts)} counts")
        if not self.bounds or any(after <= before for before, after in pairwise((0.0, *self.bounds))):
            raise ValueError("the bounds of a histogram have to grow")

    @property
    def total(self) -> int:
        return sum(self.counts)

    def __add__(self, other: "Histogram") -> "Histogram":
        """The sum; another choice of buckets can't be added, and the newer histogram (`other`) stands alone."""
        if self.bounds != other.bounds:
            return other
        return Histogram(self.bounds, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def __sub__(self, other: "Histogram") -> "Histogram | None":
        """Growth, perhaps negative; None where the buckets are others."""
        if self.bounds != other.bounds:
            return None
        return Histogram(self.bounds, tuple(a - b for a, b in zip(self.counts, other.counts, strict=True)))

    def above(self, bound: float) -> int:
        """Requests that took longer than a bound of this histogram; raises `ValueError` for any other number."""
        return sum(self.counts[self.bounds.index(bound) + 1 :])

    def slower_than(self, seconds: float) -> float:
        """Requests that took longer than any number of seconds, interpolated as quantiles are; those above the last
        bound count as slower."""
        slower = float(self.counts[-1])
        for lower, upper, count in zip((0.0, *self.bounds), self.bounds, self.counts, strict=False):
            slower += count * min(1.0, max(0.0, (upper - seconds) / (upper - lower)))
        return slower

    def bound_at(self, quantile: float) -> float | None:
        """The smallest bound that at least this share (0 to 1) of the requests kept; None where none did."""
        wanted = quantile * self.total
        kept = accumulate(self.counts)
        return next((bound for bound, count in zip(self.bounds, kept, strict=False) if count >= wanted), None)

    def quantile(self, quantile: float) -> float:
        """Seconds within which this share (0 to 1) of the requests was answered; 0 where there were none."""
        wanted, kept = quantile * self.total, 0
        for lower, upper, count in zip((0.0, *self.bounds), self.bounds, self.counts, strict=False):
            if count and kept + count >= wanted:
                return lower + (upper - lower) * (wanted - kept) / count
            kept += count
        return self.bounds[-1] if self.total else 0.0
