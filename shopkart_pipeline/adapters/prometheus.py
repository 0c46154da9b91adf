"""The metrics port on Prometheus.

Counts are what the replicas' own counters say, summed up since a moment that stays the same for a whole rollout (a
while before its canary first had traffic). Whoever asks with the same `since`, another worker too, gets counts that
belong together: decision record 32 says why they are exact.

A look is one query, at most every few seconds, and stays the latest one until every replica has been scraped again.
Whatever keeps a look from saying something is `MetricsMissing` with the reason.

Requests that no replica has answered (a crash, a route without backends) are counted by no replica.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters._prometheus_api import PrometheusApi
from shopkart_pipeline.adapters._prometheus_counts import (
    Cells,
    Labels,
    Replica,
    counted_through,
    counters_of,
    counts_of,
    matching,
    samples_of,
)
from shopkart_pipeline.adapters._prometheus_history import STEP_SECONDS, learned
from shopkart_pipeline.adapters._prometheus_look import Look, Sight, look_of
from shopkart_pipeline.adapters._prometheus_queries import LATENCY, REQUESTS, Queries
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.history import History
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import Metrics

_BEFORE = timedelta(minutes=5)
"""Longer than from one scrape to the next, so that the first look sees something."""
_PAUSE = timedelta(seconds=2)
"""Between two queries."""
_IDLE = timedelta(minutes=1)


@dataclass
class _Watch:
    """What is being looked at for one rollout."""

    since: datetime | None
    begin: datetime
    asked_at: datetime | None = None
    look: Look | None = None
    failure: PipelineError | None = None
    """Why the latest query says nothing."""

    def is_forgotten(self, now: datetime) -> bool:
        """Whether these are looks of another occasion; a canary's are of one for as long as it bakes."""
        return self.since is None and self.asked_at is not None and now - self.asked_at > _IDLE


class PrometheusMetrics(Metrics):
    """Requests by track, as replicas count them and Prometheus collects them.

    Args:
        source: which server, and what the series are called there.
        access: who we are to it.
        pause: between two queries.
        step_seconds: how long the intervals are in which stable's replicas are compared with each other.
    """

    def __init__(
        self,
        source: PrometheusSource,
        access: ServerAccess,
        pause: timedelta = _PAUSE,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self._source, self._pause, self._step_seconds = source, pause, step_seconds
        self._api = PrometheusApi(source.address, access)
        self._labels = Labels(source.method_label, source.status_label)
        self._watches: dict[tuple[str, str], _Watch] = {}

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        try:
            look = self._look(environment, service, now, since)
        except PipelineError as error:
            return _missing(environment, service, now, error)
        canary, stable = (counts_of(look.counters, track) for track in (Track.CANARY, Track.STABLE))
        return TrafficSample(look.at, canary, stable)

    def events(
        self,
        environment: str,
        service: str,
        now: datetime,
        rules: Sequence[EventRule],
        since: datetime | None = None,
    ) -> Mapping[str, tuple[int, int]] | MetricsMissing:
        try:
            counters = self._look(environment, service, now, since).counters
            return {
                rule.name: (_events(counters, Track.CANARY, rule), _events(counters, Track.STABLE, rule))
                for rule in rules
            }
        except PipelineError as error:
            return _missing(environment, service, now, error)

    def history(
        self, environment: str, service: str, since: datetime, until: datetime, rules: Sequence[EventRule]
    ) -> History | MetricsMissing:
        expression = Queries(self._source, environment, service).stable()
        try:
            answer = self._api.query_range(expression, since, until, self._step_seconds)
            return learned(answer, self._labels, since, until, rules)
        except PipelineError as error:
            return _missing(environment, service, until, error)

    def _look(self, environment: str, service: str, now: datetime, since: datetime | None) -> Look:
        key = (environment, service)
        watch = self._watches.get(key)
        if watch is None or watch.since != since or watch.is_forgotten(now):
            watch = self._watches[key] = _Watch(since, (since or now) - _BEFORE)
        if watch.asked_at is None or now - watch.asked_at >= self._pause:
            watch.asked_at, watch.failure = now, None
            try:
                watch.look = _newer(self._asked(environment, service, now, watch), watch.look)
            except PipelineError as error:
                watch.failure = error
        if watch.look is None or watch.failure is not None:
            raise watch.failure or ToolUnavailable("nothing was seen yet", "Wait.")
        return watch.look

    def _asked(self, environment: str, service: str, now: datetime, watch: _Watch) -> Look:
        queries, window = Queries(self._source, environment, service), now - watch.begin
        answer = self._api.query(queries.snapshot(window), now)
        sight, counters = Sight.of(answer), counters_of(answer, self._labels)
        if sight.restarted:
            counters |= self._gone_through(queries, sight.restarted, window, now)
        return look_of(sight, counters, self._source, now, with_canary=watch.since is not None)

    def _gone_through(
        self, queries: Queries, replicas: frozenset[str], window: timedelta, now: datetime
    ) -> dict[Replica, Cells]:
        """The counters of replicas that began anew, by all their samples."""
        parts = {REQUESTS: self._source.requests, LATENCY: self._source.latency_buckets}
        samples = [
            sample
            for part, series in parts.items()
            for sample in samples_of(
                self._api.query(queries.every_sample(series, replicas, window), now), self._labels, part
            )
        ]
        return counted_through(samples)


def _newer(look: Look, before: Look | None) -> Look:
    """The look, or the one before where not every replica has been scraped since."""
    if before is None:
        return look
    if not look.is_after(before):
        return before
    if look.went_back(before):
        raise ToolUnavailable(
            "counts went back, as where two servers answer in turns at one address", "Ask one of them."
        )
    return look


def _events(counters: Mapping[Replica, Cells], track: Track, rule: EventRule) -> int:
    return int(sum(matching(cells, rule) for replica, cells in counters.items() if replica.track is track))


def _missing(environment: str, service: str, now: datetime, error: PipelineError) -> MetricsMissing:
    return MetricsMissing(now, f"{service} in {environment}: {error.what}")
