"""The port of the eight metrics on what the controller's sampler noted.

A time is covered when the sampler was at work at its beginning and at its end; between them the load balancer counts
on by itself, so a controller that was away for a while hides nothing. What the sampler could not measure it has noted
why, and that is the answer.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.sampler import growth
from shopkart_pipeline.adapters.local_cluster.samples import SAMPLE_SECONDS, Noted, Samples
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import (
    RATE_WINDOW,
    PeakRate,
    Vital,
    VitalMissing,
    VitalReading,
    VitalSeries,
    counted,
)
from shopkart_pipeline.ports.vitals import Vitals

_FRESH = timedelta(seconds=3 * SAMPLE_SECONDS)
_COARSE = timedelta(seconds=65)
_FINE_FOR = timedelta(minutes=59)
_POINTS = 120
_LONGEST_GAP = timedelta(seconds=130)
"""Between samples; what came between more distant ones may have come all at once."""
_LEAST_PART = 0.5
_COUNTED = frozenset({vital for vital in Vital if vital.quantile is not None} | {Vital.REQUEST_RATE, Vital.ERROR_RATIO})


class LocalVitals(Vitals):
    """Reads the samples of a home.

    Args:
        samples: where they are.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @classmethod
    def at(cls, home: Path) -> "LocalVitals":
        """Those of the product's home."""
        return cls(Samples(Folders(home).vitals))

    def now(
        self, environment: str, service: str, now: datetime
    ) -> Mapping[Vital, tuple[VitalReading, ...] | VitalMissing]:
        try:
            since = now - RATE_WINDOW - _FRESH
            noted, ticks = self._samples.of(environment, service, since, now), self._samples.ticks(since, now)
        except PipelineError as error:
            return _nothing(now, error.what)
        if not ticks or now - ticks[-1] > _FRESH:
            return _nothing(now, _silence(now, ticks))
        newest = [each for each in noted if each.at == ticks[-1]]
        if not newest:
            return _nothing(now, f"no version of {service} runs in {environment}")
        begin = max(ticks[0], ticks[-1] - RATE_WINDOW)
        answered = {each.version: _rates(each, noted, begin) for each in newest}
        return {vital: _reading(vital, newest, answered, now) for vital in Vital}

    def series(
        self, environment: str, service: str, vital: Vital, since: datetime, until: datetime
    ) -> tuple[VitalSeries, ...] | VitalMissing:
        try:
            noted = self._samples.of(environment, service, since, until)
        except PipelineError as error:
            return VitalMissing(until, error.what)
        if not noted:
            return VitalMissing(until, f"nobody sampled {service} in {environment} in that time")
        step = max(3 * SAMPLE_SECONDS, (until - since).total_seconds() / _POINTS)
        found = list[VitalSeries]()
        for version in dict.fromkeys(each.version for each in noted):
            own = [each for each in noted if each.version == version]
            points = _growths(own, vital, step) if vital in _COUNTED else _gauges(own, vital, step)
            if points:
                found.append(VitalSeries(vital, version, tuple(points)))
        return tuple(found) or VitalMissing(until, _why(vital, noted, "it was not measured in that time"))

    def answered(
        self, environment: str, service: str, since: datetime, until: datetime
    ) -> Mapping[str, Counts] | VitalMissing:
        slack = _FRESH if until - since < _FINE_FOR else _COARSE
        try:
            begin, end = self._samples.ticks(since - slack, since + slack), self._samples.ticks(until - _FRESH, until)
            if not end:
                return VitalMissing(until, _silence(until, self._samples.ticks(since, until)))
            if not begin:
                seconds = (until - since).total_seconds()
                return VitalMissing(until, f"nobody sampled {seconds:.0f} s ago, so what was answered since is unknown")
            # Rather a little more than asked for than less: what came just after `since` must not be lost.
            start = max((tick for tick in begin if tick <= since), default=begin[0])
            return self._grown(environment, service, start, until)
        except PipelineError as error:
            return VitalMissing(until, error.what)

    def peak_rate(self, environment: str, service: str, since: datetime, until: datetime) -> PeakRate | VitalMissing:
        try:
            noted = self._samples.of(environment, service, since, until)
        except PipelineError as error:
            return VitalMissing(until, error.what)
        rates = _rates_by_slice(noted, since, min(RATE_WINDOW, until - since))
        if not rates:
            return VitalMissing(until, f"nobody sampled {service} in {environment} in that time")
        covered = len(rates) * min(RATE_WINDOW, until - since) / (until - since)
        return PeakRate(max(rates.values()), min(1.0, covered))

    def _grown(
        self, environment: str, service: str, start: datetime, until: datetime
    ) -> Mapping[str, Counts] | VitalMissing:
        newest = self._samples.counted(environment, service, start, until)
        if not newest or until - newest[-1].at > _FRESH:
            last = self._samples.of(environment, service, until - _FRESH, until)
            gone = f"no version of {service} runs in {environment}"
            return VitalMissing(until, _why(Vital.REQUEST_RATE, last, "nobody counted requests") if last else gone)
        return {
            each.version: growth(
                each.sample.counts, self._samples.counted_before(environment, service, each.version, start)
            )
            for each in newest
        }


def _silence(now: datetime, ticks: Sequence[datetime]) -> str:
    if not ticks:
        return "nobody samples the local cluster; is it running?"
    return f"the local cluster's last sample is {(now - ticks[-1]).total_seconds():.0f} s old; is it running?"


def _nothing(now: datetime, reason: str) -> dict[Vital, tuple[VitalReading, ...] | VitalMissing]:
    return {vital: VitalMissing(now, reason) for vital in Vital}


def _rates(newest: Noted, noted: Sequence[Noted], begin: datetime) -> tuple[Counts, float]:
    """What a version answered since, and in how many seconds."""
    own = [each for each in noted if each.version == newest.version and begin <= each.at]
    good = [each for each in own if each.sample.is_counted]
    if len(good) < 2:
        return Counts(0, 0), 0.0
    return growth(good[-1].sample.counts, good[0].sample.counts), (good[-1].at - good[0].at).total_seconds()


def _reading(
    vital: Vital, newest: Sequence[Noted], answered: Mapping[str, tuple[Counts, float]], now: datetime
) -> tuple[VitalReading, ...] | VitalMissing:
    found = list[VitalReading]()
    for each in newest:
        value = counted(vital, *answered[each.version]) if vital in _COUNTED else each.sample.gauges.get(vital)
        if value is not None:
            found.append(VitalReading(each.at, value, each.version))
    if found:
        return tuple(found)
    if vital not in _COUNTED:
        return VitalMissing(now, _why(vital, newest, "it was not measured"))
    if all(seconds == 0 for _, seconds in answered.values()):
        return VitalMissing(now, _why(Vital.REQUEST_RATE, newest, "sampling has just begun"))
    return VitalMissing(now, f"no request was answered in the last {RATE_WINDOW.total_seconds():.0f} s")


def _why(vital: Vital, noted: Sequence[Noted], otherwise: str) -> str:
    name = Vital.REQUEST_RATE if vital in _COUNTED else vital
    return next((each.sample.missing[name] for each in reversed(noted) if name in each.sample.missing), otherwise)


def _gauges(own: Sequence[Noted], vital: Vital, step_seconds: float) -> list[tuple[datetime, float]]:
    points = list[tuple[datetime, float]]()
    for each in own:
        value = each.sample.gauges.get(vital)
        if value is not None and (not points or (each.at - points[-1][0]).total_seconds() >= step_seconds / 2):
            points.append((each.at, value))
    return points


def _rates_by_slice(noted: Sequence[Noted], since: datetime, length: timedelta) -> dict[int, float]:
    """Requests a second in slices of a time, all versions together. What was answered from one sample to the next is
    spread evenly over the slices between them. A slice of which less than half was measured is not there."""
    requests: dict[int, float] = defaultdict(float)
    measured: dict[tuple[int, str], float] = defaultdict(float)
    before: dict[str, Noted] = {}
    for each in noted:
        if not each.sample.is_counted:
            continue
        last = before.get(each.version)
        before[each.version] = each
        if last is None or each.at - last.at > _LONGEST_GAP:
            continue
        grown = growth(each.sample.counts, last.sample.counts).requests
        begin, end = (last.at - since) / length, (each.at - since) / length
        for slice_ in range(int(begin), math.ceil(end)):
            part = min(end, slice_ + 1) - max(begin, slice_)
            requests[slice_] += grown * part / (end - begin)
            measured[slice_, each.version] += part
    parts: dict[int, float] = {}
    for (slice_, _), part in measured.items():
        parts[slice_] = max(part, parts.get(slice_, 0.0))
    return {at: requests[at] / (part * length.total_seconds()) for at, part in parts.items() if part >= _LEAST_PART}


def _growths(own: Sequence[Noted], vital: Vital, step_seconds: float) -> list[tuple[datetime, float]]:
    points = list[tuple[datetime, float]]()
    before: Noted | None = None
    for each in own:
        if not each.sample.is_counted:
            continue
        if before is None:
            before = each
        elif (seconds := (each.at - before.at).total_seconds()) >= step_seconds:
            value = counted(vital, growth(each.sample.counts, before.sample.counts), seconds)
            points += [] if value is None else [(each.at, value)]
            before = each
    return points
