"""Counts by a real Prometheus: what replicas come, go, start again and hide."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters.prometheus import PrometheusMetrics
from shopkart_pipeline.domain.history import ERRORS, History
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.prometheus_server import (
    SCRAPE_SECONDS,
    Exporter,
    ServicePool,
    running_prometheus,
    until,
)

_NAMES = ("restarted", "left", "hidden", "events", "old", "twice", "alike")


@dataclass
class Shop:
    """A service with a canary, since it got traffic."""

    service: str
    stable: list[Exporter]
    canary: Exporter
    source: PrometheusSource
    metrics: PrometheusMetrics
    since: datetime

    def look(self, metrics: PrometheusMetrics | None = None) -> TrafficSample | MetricsMissing:
        return (metrics or self.metrics).traffic("production", self.service, datetime.now(UTC), self.since)

    def becomes(self, canary: Counts, stable: Counts, metrics: PrometheusMetrics | None = None) -> TrafficSample:
        """The sample with these counts of canary and stable, as soon as there is one."""
        seen: list[TrafficSample | MetricsMissing] = []

        def found() -> TrafficSample | None:
            seen[:] = [self.look(metrics)]
            sample = seen[0]
            if not isinstance(sample, TrafficSample):
                return None
            is_it = (sample.canary.only(frozenset()), sample.stable.only(frozenset())) == (canary, stable)
            return sample if is_it else None

        try:
            return until(found)
        except AssertionError:
            raise AssertionError(f"not {(canary, stable)}, but {seen}") from None

    def is_seen(self) -> bool:
        """Whether all replicas are scraped, be it once or twice."""
        sample = self.look()
        return isinstance(sample, TrafficSample) or "scrapes at once" in sample.reason

    def is_missing(self, reason: str, metrics: PrometheusMetrics | None = None) -> None:
        """See that there are no counts soon, for a reason that ends like this."""
        seen: list[TrafficSample | MetricsMissing] = []

        def found() -> bool:
            seen[:] = [self.look(metrics)]
            return isinstance(seen[0], MetricsMissing) and seen[0].reason.endswith(reason)

        try:
            until(found)
        except AssertionError:
            raise AssertionError(f"not {reason!r}, but {seen}") from None


@pytest.fixture(scope="module")
def pool() -> ServicePool:
    found = ServicePool(_NAMES)
    for each in found.of("production", "twice", Track.STABLE):
        each.jobs = ("pods", "pods-again")
    return found


@pytest.fixture(scope="module")
def address(pool: ServicePool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), pool) as found:
        yield found


@pytest.fixture
def shop(pool: ServicePool, address: str) -> Iterator[Callable[[str], Shop]]:
    made: list[Shop] = []

    def make(service: str) -> Shop:
        stable, (canary,) = (pool.of("production", service, track) for track in Track)
        source, since = PrometheusSource(address), datetime.now(UTC)
        metrics = PrometheusMetrics(source, ServerAccess(), pause=timedelta(0), step_seconds=2 * SCRAPE_SECONDS)
        found = Shop(service, stable, canary, source, metrics, since)
        made.append(found)
        for each in (*stable, canary):
            each.is_up = True
        until(found.is_seen)
        return found

    yield make
    for each in made:
        each.metrics.close()


def test_a_container_that_starts_again_loses_nothing_that_was_counted(shop: Callable[[str], Shop]) -> None:
    backend = shop("restarted")
    backend.canary.answer(30)
    backend.canary.answer(4, "5xx")
    backend.stable[0].answer(100)
    backend.becomes(Counts(34, 4), Counts(100, 0))

    backend.canary.start_again()
    backend.canary.answer(2, "5xx")

    sample = backend.becomes(Counts(36, 6), Counts(100, 0))
    assert sample.canary.latency is not None
    assert sample.canary.latency.total == 36


def test_a_replica_that_leaves_takes_nothing_away_and_a_new_one_counts_from_zero(shop: Callable[[str], Shop]) -> None:
    backend = shop("left")
    one, other = backend.stable
    other.is_up = False
    one.answer(50)
    backend.becomes(Counts(0, 0), Counts(50, 0))

    one.is_up, other.is_up = False, True
    other.answer(7, "5xx")

    backend.becomes(Counts(0, 0), Counts(57, 7))
    with closing(PrometheusMetrics(backend.source, ServerAccess(), pause=timedelta(0))) as successor:
        backend.becomes(Counts(0, 0), Counts(57, 7), successor)  # Another worker sees the same.


def test_a_canary_that_can_not_be_scraped_is_no_canary_without_errors(shop: Callable[[str], Shop]) -> None:
    backend = shop("hidden")
    backend.canary.is_up = False
    backend.is_missing("hidden in production: Prometheus can't scrape hidden-production-canary-0 of canary")


def test_events_are_counted_by_method_and_class_of_status(shop: Callable[[str], Shop]) -> None:
    backend = shop("events")
    backend.canary.answer(3, "3xx", "POST")
    backend.stable[0].answer(20, "3xx", "POST")
    backend.stable[0].answer(20, "3xx", "GET")
    backend.becomes(Counts(3, 0), Counts(40, 0))

    def counted(*statuses: int) -> object:
        rule, now = EventRule("checkouts", "POST", (statuses[0], statuses[1])), datetime.now(UTC)
        return backend.metrics.events("production", "events", now, [rule], backend.since)

    until(lambda: counted(300, 399) == {"checkouts": (3, 20)})
    until(lambda: counted(200, 299) == {"checkouts": (0, 0)})
    until(lambda: "classes of statuses alone" in getattr(counted(303, 303), "reason", ""))


def test_old_counts_say_nothing_about_now(shop: Callable[[str], Shop]) -> None:
    backend = shop("old")
    later = datetime.now(UTC) + timedelta(seconds=100)
    with closing(PrometheusMetrics(backend.source, ServerAccess())) as metrics:
        sample = metrics.traffic("production", "old", later, backend.since)
    assert isinstance(sample, MetricsMissing)
    assert "s away (limit 60 s)" in sample.reason


def test_requests_that_are_scraped_twice_are_not_counted_twice(shop: Callable[[str], Shop]) -> None:
    backend = shop("twice")
    backend.is_missing("are counted by 2 scrapes at once")
    chosen = replace(backend.source, labels={"job": "pods"})
    with closing(PrometheusMetrics(chosen, ServerAccess(), pause=timedelta(0))) as metrics:
        until(lambda: isinstance(backend.look(metrics), TrafficSample))


def test_names_that_nobody_has_are_told(shop: Callable[[str], Shop]) -> None:
    backend = shop("old")
    for source, reason in (
        (replace(backend.source, requests="http_requests_total"), "no replica of stable counts http_requests_total"),
        (replace(backend.source, status_label="code"), "A series has '' as `code`, which is no status."),
        (replace(backend.source, labels={"job": 'p"o\\ds}'}), "Prometheus scrapes no replica of stable"),
    ):
        with closing(PrometheusMetrics(source, ServerAccess(), pause=timedelta(0))) as metrics:
            backend.is_missing(f"old in production: {reason}", metrics)


def test_replicas_of_stable_are_compared_with_each_other(shop: Callable[[str], Shop]) -> None:
    backend = shop("alike")
    begin = datetime.now(UTC)
    for _ in range(6):
        for each in backend.stable:
            each.answer(20)
            each.answer(1, "5xx")
        time.sleep(SCRAPE_SECONDS)
    history = backend.metrics.history("production", "alike", begin, datetime.now(UTC), ())
    assert isinstance(history, History)
    assert history.prior(ERRORS).value < 2.0, "they are alike, so what is assumed of others is too much"
