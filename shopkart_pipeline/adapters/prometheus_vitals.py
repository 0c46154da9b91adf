"""The port of the eight metrics on Prometheus.

Readings and series are those that the recording rules of `shopkart monitoring` write, `shopkart:VITAL` with the labels
`environment`, `service` and `version`; so health, alerts and dashboards read the same numbers. What was answered in a
time comes from the replicas' own counters, and only while all that have counted are scraped. A series that is old, is
there twice, or says `NaN`, an infinity or less than nothing makes its metric missing, and leaves the others alone; an
answer that is not whole makes all missing.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters._prometheus_api import PrometheusApi, Series, any_number
from shopkart_pipeline.adapters._prometheus_counts import Labels, answered, histogram_of, within
from shopkart_pipeline.adapters._prometheus_queries import (
    COVERED,
    DOWN,
    LATENCY,
    PART,
    PEAK,
    RECORDED,
    REQUESTS,
    SCRAPED,
    UP,
    VERSION,
    Queries,
)
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import RATE_WINDOW, PeakRate, Vital, VitalMissing, VitalReading, VitalSeries
from shopkart_pipeline.ports.vitals import Vitals

_POINTS = 240
_SHORTEST_STEP_SECONDS = 5.0
_LEAST_STEPS = 60
"""At which a peak is looked for."""
_RECORDED_VERSION = "version"


class PrometheusVitals(Vitals):
    """Reads one server.

    Args:
        source: which server, and what the series are called there.
        access: who we are to it.
    """

    def __init__(self, source: PrometheusSource, access: ServerAccess) -> None:
        self._source = source
        self._api = PrometheusApi(source.address, access)
        self._labels = Labels(source.method_label, source.status_label)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def now(
        self, environment: str, service: str, now: datetime
    ) -> Mapping[Vital, tuple[VitalReading, ...] | VitalMissing]:
        query = Queries(self._source, environment, service).recorded([vital.value for vital in Vital])
        try:
            answer = self._api.query(query, now, any_number)
        except PipelineError as error:
            return {vital: VitalMissing(now, error.what) for vital in Vital}
        return {vital: self._reading(vital, answer, now) for vital in Vital}

    def _reading(
        self, vital: Vital, answer: Sequence[Series], now: datetime
    ) -> tuple[VitalReading, ...] | VitalMissing:
        values = [each for each in answer if each.labels.get(PART) == vital]
        recorded = {_version(each): each.value for each in answer if each.labels.get(PART) == f"{RECORDED}{vital}"}
        if not values:
            return VitalMissing(now, f"Prometheus has no series shopkart:{vital} of it")
        if len({_version(each) for each in values}) < len(values):
            return VitalMissing(now, f"shopkart:{vital} is recorded twice")
        found = list[VitalReading]()
        for each in values:
            at = recorded.get(_version(each), math.nan)
            age_seconds = now.timestamp() - at
            if not abs(age_seconds) <= self._source.maximum_age_seconds:
                return VitalMissing(now, f"shopkart:{vital} is of another time, {age_seconds:.0f} s away")
            if not _makes_sense(each.value):
                return VitalMissing(now, f"shopkart:{vital} says {each.value}")
            found.append(VitalReading(datetime.fromtimestamp(at, UTC), each.value, _version(each)))
        return tuple(found)

    def series(
        self, environment: str, service: str, vital: Vital, since: datetime, until: datetime
    ) -> tuple[VitalSeries, ...] | VitalMissing:
        query = Queries(self._source, environment, service).record(vital)
        step_seconds = max(_SHORTEST_STEP_SECONDS, (until - since).total_seconds() / _POINTS)
        try:
            answer = self._api.query_range(query, since, until, step_seconds, any_number)
        except PipelineError as error:
            return VitalMissing(until, error.what)
        found = tuple(VitalSeries(vital, _version(each), points) for each in answer if (points := _sensible(each)))
        return found or VitalMissing(until, f"Prometheus has no sensible value of shopkart:{vital} in that time")

    def answered(
        self, environment: str, service: str, since: datetime, until: datetime
    ) -> Mapping[str, Counts] | VitalMissing:
        query = Queries(self._source, environment, service).answered(until - since)
        try:
            answer = self._api.query(query, until)
            self._check_covered(answer, since, until)
            return self._counts(answer)
        except PipelineError as error:
            return VitalMissing(until, error.what)

    def peak_rate(self, environment: str, service: str, since: datetime, until: datetime) -> PeakRate | VitalMissing:
        window = until - since
        step = min(RATE_WINDOW, window / _LEAST_STEPS)
        query = Queries(self._source, environment, service).peak(window, step)
        try:
            found = {each.labels.get(PART): each.value for each in self._api.query(query, until)}
        except PipelineError as error:
            return VitalMissing(until, error.what)
        if PEAK not in found or COVERED not in found:
            return VitalMissing(until, f"Prometheus has no series shopkart:{Vital.REQUEST_RATE} of it in that time")
        return PeakRate(found[PEAK], min(1.0, found[COVERED] * step / window))

    def _check_covered(self, answer: Sequence[Series], since: datetime, until: datetime) -> None:
        """Raise unless replicas were scraped at the beginning and at the end."""
        ends = {each.labels.get(PART): each.value for each in answer}
        if UP not in ends:
            seconds = (until - since).total_seconds()
            what = f"Prometheus scraped no replica {seconds:.0f} s ago, so what was answered since is unknown"
            raise ToolUnavailable(what, "Wait, or look at its targets.")
        if ends.get(DOWN, 0.0) > 0:
            raise ToolUnavailable(f"Prometheus can't scrape {ends[DOWN]:.0f} of its replicas", "Look at its targets.")
        age_seconds = until.timestamp() - ends.get(SCRAPED, 0.0)
        if age_seconds > self._source.maximum_age_seconds:
            raise ToolUnavailable("Prometheus scrapes no replica of it", "Look at its targets.")

    def _counts(self, answer: Sequence[Series]) -> dict[str, Counts]:
        requests: dict[str, float] = {}
        errors: dict[str, float] = {}
        below: dict[str, dict[float, float]] = {}
        for each in answer:
            version, part = each.labels.get(VERSION, ""), each.labels.get(PART)
            if part == REQUESTS:
                requests[version] = requests.get(version, 0.0) + each.value
                is_error = answered(each, self._labels).first_status >= 500
                errors[version] = errors.get(version, 0.0) + (each.value if is_error else 0.0)
            elif part == LATENCY:
                bounds, bound = below.setdefault(version, {}), within(each).bound
                bounds[bound] = bounds.get(bound, 0.0) + each.value
        if not requests:
            raise ToolUnavailable(f"no replica counts {self._source.requests}", "Declare `requests` as it is.")
        return {
            version: Counts(
                round(total),
                round(errors[version]),
                latency=histogram_of({bound: round(value) for bound, value in below.get(version, {}).items()}),
            )
            for version, total in requests.items()
        }


def _version(series: Series) -> str:
    return series.labels.get(_RECORDED_VERSION, "")


def _makes_sense(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _sensible(series: Series) -> tuple[tuple[datetime, float], ...]:
    return tuple((datetime.fromtimestamp(at, UTC), value) for at, value in series.points if _makes_sense(value))
