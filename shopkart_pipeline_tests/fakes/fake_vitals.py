"""A metrics server in memory: what a test says was counted, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import PeakRate, Vital, VitalMissing, VitalReading, VitalSeries
from shopkart_pipeline.ports.vitals import Vitals


@dataclass
class FakeVitals(Vitals):
    """Says what it is told to say; everything else is missing."""

    readings: dict[Vital, dict[str, float]] = field(default_factory=dict[Vital, dict[str, float]])
    """By metric and version."""
    points: dict[tuple[Vital, str], list[tuple[datetime, float]]] = field(
        default_factory=dict[tuple[Vital, str], list[tuple[datetime, float]]]
    )
    """By metric and version."""
    counts: dict[str, Counts] | None = None
    """By version, the same for every window; None: nothing was counted."""
    counted_since: datetime | None = None
    """What was answered before is unknown; None: everything is known."""
    places: set[tuple[str, str]] | None = None
    """Environments and services that it knows; None: all of them."""
    peak: PeakRate | None = None
    """Of every time; None: nobody knows."""
    silence: str | None = None
    """Set: nothing is measured for this reason."""

    def now(
        self, environment: str, service: str, now: datetime
    ) -> Mapping[Vital, tuple[VitalReading, ...] | VitalMissing]:
        silence = self._silence(environment, service)
        return {vital: self._reading(vital, now, silence) for vital in Vital}

    def _silence(self, environment: str, service: str) -> str | None:
        known = self.places is None or (environment, service) in self.places
        return self.silence if known else f"{service} does not run in {environment}"

    def _reading(self, vital: Vital, now: datetime, silence: str | None) -> tuple[VitalReading, ...] | VitalMissing:
        found = {} if silence else self.readings.get(vital, {})
        if not found:
            return VitalMissing(now, silence or f"nobody measured {vital}")
        return tuple(VitalReading(now, value, version) for version, value in found.items())

    def series(
        self, environment: str, service: str, vital: Vital, since: datetime, until: datetime
    ) -> tuple[VitalSeries, ...] | VitalMissing:
        found = tuple(
            VitalSeries(vital, version, inside)
            for (measured, version), points in self.points.items()
            if measured is vital and (inside := tuple(point for point in points if since <= point[0] <= until))
        )
        silence = self._silence(environment, service)
        if silence or not found:
            return VitalMissing(until, silence or f"nobody measured {vital}")
        return found

    def answered(
        self, environment: str, service: str, since: datetime, until: datetime
    ) -> Mapping[str, Counts] | VitalMissing:
        silence = self._silence(environment, service)
        if silence or self.counts is None or (self.counted_since and since < self.counted_since):
            return VitalMissing(until, silence or "nobody counted requests")
        return dict(self.counts)

    def peak_rate(self, environment: str, service: str, since: datetime, until: datetime) -> PeakRate | VitalMissing:
        silence = self._silence(environment, service)
        if silence or self.peak is None:
            return VitalMissing(until, silence or "nobody counted requests")
        return self.peak
