"""Who measures the eight metrics of an environment's services."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime

from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import PeakRate, Vital, VitalMissing, VitalReading, VitalSeries


class Vitals(ABC):
    """A metrics server, or what stands for one. Silence, nonsense, old answers and time-outs are `VitalMissing`."""

    @abstractmethod
    def now(
        self, environment: str, service: str, now: datetime
    ) -> Mapping[Vital, tuple[VitalReading, ...] | VitalMissing]:
        """Every metric, with one reading for each version that runs; never without a metric, never an empty reading.

        Rates, ratios and latencies are of the `RATE_WINDOW` before `now`; without requests there is no latency and no
        ratio.
        """

    @abstractmethod
    def series(
        self, environment: str, service: str, vital: Vital, since: datetime, until: datetime
    ) -> tuple[VitalSeries, ...] | VitalMissing:
        """A metric over a time, a series for each version, none of them empty."""

    @abstractmethod
    def answered(
        self, environment: str, service: str, since: datetime, until: datetime
    ) -> Mapping[str, Counts] | VitalMissing:
        """What each version answered in a time, with a histogram of the latency where there is one.

        Missing where counting began too late to cover the time. Zero requests are an answer: nobody asked.
        """

    @abstractmethod
    def peak_rate(self, environment: str, service: str, since: datetime, until: datetime) -> PeakRate | VitalMissing:
        """The highest rate of requests in a time, and how much of the time that is known of. Who asks decides whether
        it is enough; what nobody measured is in no rate."""


class NoVitals(Vitals):
    """Nobody measures."""

    reason = "nobody measures this environment; declare `telemetry` for it"

    def now(
        self, environment: str, service: str, now: datetime
    ) -> Mapping[Vital, tuple[VitalReading, ...] | VitalMissing]:
        return {vital: VitalMissing(now, self.reason) for vital in Vital}

    def series(
        self, environment: str, service: str, vital: Vital, since: datetime, until: datetime
    ) -> tuple[VitalSeries, ...] | VitalMissing:
        return VitalMissing(until, self.reason)

    def answered(
        self, environment: str, service: str, since: datetime, until: datetime
    ) -> Mapping[str, Counts] | VitalMissing:
        return VitalMissing(until, self.reason)

    def peak_rate(self, environment: str, service: str, since: datetime, until: datetime) -> PeakRate | VitalMissing:
        return VitalMissing(until, self.reason)
