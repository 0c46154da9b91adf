"""A load test as it is declared: how often which requests arrive, at which multiples of production's peak, and what has
to hold then.

Arrivals are open-loop: each request has a moment of its own, whether the ones before were answered or not, as customers
come. Within a multiple the rate is constant for `hold_seconds`, after a ramp from the multiple before; only what
arrives during the hold is measured. Sources: Schroeder et al., "Open versus closed: a cautionary tale" (NSDI 2006);
Tene, "How not to measure latency" (coordinated omission).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

MOST_REQUESTS = 2_000_000
"""In all of a test: what a generator keeps and a service has to bear must have an end."""

PEAK_RATE = "SHOPKART_PEAK_RATE"
"""Variable by which a generator is told a peak that was measured: what it is declared to do it may know by itself."""
_LEAST_REQUESTS = {"latency_p50_seconds": 2, "latency_p95_seconds": 20, "latency_p99_seconds": 100}


@dataclass(frozen=True)
class LoadRequest:
    """One kind of request."""

    path: str
    method: str = "GET"
    weight: int = 1
    """Its share among all kinds, in proportion to theirs."""
    body: str = ""
    content_type: str = ""


@dataclass(frozen=True)
class LoadObjective:
    """What has to hold at every multiple."""

    measure: str
    """As the report calls it, such as `latency_p99_seconds`."""
    limit: float


@dataclass(frozen=True)
class LoadTest:
    """All of a declared load test."""

    multiples: tuple[float, ...]
    """Of the peak, growing."""
    ramp_seconds: float
    hold_seconds: float
    requests: tuple[LoadRequest, ...]
    objectives: tuple[LoadObjective, ...]
    peak_rate: float | None = None
    """Requests a second; None: as production's metrics have it, until `at_peak` says it."""
    peak_is_measured: bool = False
    """Whether the peak is what production's metrics showed."""
    peak_window_seconds: float = 0.0
    """How far back production's metrics are looked at for it."""
    connections: int = 200
    """At most so many at a time, and as many requests."""
    request_timeout_seconds: float = 10.0
    """A request that is not answered by then, counted from its intended moment, has failed."""

    @property
    def duration_seconds(self) -> float:
        """Of all multiples; answers may come `request_timeout_seconds` later."""
        return len(self.multiples) * (self.ramp_seconds + self.hold_seconds)

    def at_peak(self, rate: float) -> "LoadTest":
        """The same with a peak that was measured."""
        return replace(self, peak_rate=rate, peak_is_measured=True)

    @property
    def steps(self) -> "tuple[Step, ...]":
        """One for each multiple; raises `ValueError` while nobody knows the peak."""
        if self.peak_rate is None:
            raise ValueError("the peak is not known yet")
        rates = [0.0, *(multiple * self.peak_rate for multiple in self.multiples)]
        length = self.ramp_seconds + self.hold_seconds
        return tuple(
            Step(multiple, before, rate, index * length, self.ramp_seconds, self.hold_seconds)
            for index, (multiple, before, rate) in enumerate(zip(self.multiples, rates, rates[1:], strict=False))
        )

    @property
    def request_count(self) -> int:
        """How many requests the test is made of."""
        return sum(step.count for step in self.steps)

    @property
    def too_few(self) -> str | None:
        """Why an objective can't be told by what is sent: of fewer than a hundred requests the 99th percentile is the
        slowest of them; None where all can."""
        for step in self.steps:
            for objective in self.objectives:
                least = _LEAST_REQUESTS.get(objective.measure, 1)
                if step.hold_count < least:
                    at = f"{step.hold_count} requests at {step.multiple:g} times the peak"
                    return f"{at} are too few for {objective.measure}, which needs {least}; hold it longer"
        return None

    @property
    def order(self) -> tuple[LoadRequest, ...]:
        """One round of requests, each as often as it weighs and as evenly spread as can be; the round is repeated."""
        weights = [request.weight for request in self.requests]
        shared = math.gcd(*weights)
        credit, round_ = [0] * len(weights), list[LoadRequest]()
        for _ in range(sum(weights) // shared):
            credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
            chosen = max(range(len(weights)), key=credit.__getitem__)
            credit[chosen] -= sum(weights)
            round_.append(self.requests[chosen])
        return tuple(round_)


@dataclass(frozen=True)
class Step:
    """One multiple: from `before` to `rate` along the ramp, then held. Moments are seconds since the test began."""

    multiple: float
    before: float
    rate: float
    begins: float
    ramp_seconds: float
    hold_seconds: float

    @property
    def hold_begins(self) -> float:
        return self.begins + self.ramp_seconds

    @property
    def ends(self) -> float:
        return self.hold_begins + self.hold_seconds

    @property
    def _in_ramp(self) -> float:
        return (self.before + self.rate) / 2 * self.ramp_seconds

    @property
    def count(self) -> int:
        """How many requests arrive in it."""
        return math.ceil(self._in_ramp) + self.hold_count

    @property
    def hold_count(self) -> int:
        """How many of them arrive during the hold."""
        return math.ceil(self.rate * self.hold_seconds)

    @property
    def name(self) -> str:
        """As measures begin: `x2`, `x1_5`."""
        return name_of(self.multiple)

    def arrivals(self) -> Iterator[tuple[float, bool]]:
        """The moment of every request, and whether it belongs to the hold."""
        growth = (self.rate - self.before) / self.ramp_seconds if self.ramp_seconds else 0.0
        for index in range(math.ceil(self._in_ramp)):
            if growth == 0:
                offset = index / self.rate
            else:  # The integral of the rate is `index`: before * t + growth * t² / 2.
                offset = (math.sqrt(self.before**2 + 2 * growth * index) - self.before) / growth
            yield self.begins + offset, False
        for index in range(self.hold_count):
            yield self.hold_begins + index / self.rate, True


def name_of(multiple: float) -> str:
    """How the measures of a multiple begin, as identifiers must."""
    return f"x{multiple:g}".replace(".", "_")
