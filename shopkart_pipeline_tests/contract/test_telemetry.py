"""What every metrics server and every log store promises about silence, zero and order."""

from collections.abc import Callable, Generator
from datetime import datetime, timedelta

import pytest

from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.vitals import PeakRate, Vital, VitalMissing
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogsMissing
from shopkart_pipeline_tests.contract.cluster_worlds import (
    FakeWorld,
    World,
    a_local_world,
    a_spec,
    counts_of,
    is_complete,
)
from shopkart_pipeline_tests.contract.prometheus_server import PROGRAM, until
from shopkart_pipeline_tests.contract.prometheus_worlds import a_prometheus_world


@pytest.fixture(scope="module", params=["fake", "local", *(["prometheus"] if PROGRAM else [])])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    if request.param == "fake":
        yield FakeWorld()
    elif request.param == "prometheus":
        with a_prometheus_world(tmp_path_factory.mktemp("prometheus")) as counted:
            yield counted
    else:
        with a_local_world(tmp_path_factory.mktemp("cluster")) as local:
            yield local


@pytest.fixture
def service(world: World) -> str:
    return world.a_service()


def test_a_service_that_was_never_deployed_has_no_metrics_rather_than_zero(world: World, service: str) -> None:
    answer = world.metrics.traffic("production", service, world.now())
    assert isinstance(answer, MetricsMissing)
    assert service in answer.reason


def test_a_service_without_requests_has_answered_none(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    assert counts_of(world, "production", service) == (Counts(0, 0), Counts(0, 0))


def test_requests_are_counted_by_track(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.cluster.apply("production", service, Track.CANARY, a_spec(world.publish(service, "v2"), replicas=1))
    world.until("production", service, lambda status: is_complete(status.canary))
    world.cluster.set_weight("production", service, 50)
    world.send("production", service, 40)
    canary, stable = counts_of(world, "production", service)
    assert canary + stable == Counts(40, 0)
    assert canary.requests == pytest.approx(20, abs=3)


def test_counts_are_cumulative(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.send("production", service, 5)
    world.send("production", service, 7)
    assert counts_of(world, "production", service)[1] == Counts(12, 0)


def test_what_is_measured_of_the_latency_is_all_requests(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.send("production", service, 9)
    sample = world.metrics.traffic("production", service, world.now())
    assert isinstance(sample, TrafficSample)
    assert sample.stable.latency is not None
    assert sample.stable.latency.total == sample.stable.requests == 9
    assert 0 < sample.stable.latency.quantile(0.5) < 5


def test_a_declared_event_is_counted_by_track_or_said_to_be_uncountable(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.send("production", service, 10)
    checkouts = EventRule("checkouts", "GET", (200, 299))
    answer = world.metrics.events("production", service, world.now(), [checkouts])
    if isinstance(answer, MetricsMissing):
        assert "counts no events" in answer.reason
        return
    canary, stable = answer["checkouts"]
    assert canary == 0
    assert 0 < stable <= 10


def test_environments_are_counted_apart(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.deployed(service, replicas=1, environment="staging")
    world.send("staging", service, 3)
    assert counts_of(world, "production", service)[1].requests == 0


def test_a_service_that_never_ran_has_no_vitals_and_each_says_why(world: World, service: str) -> None:
    found = world.vitals.now("production", service, world.now())
    assert set(found) == set(Vital)
    assert all(isinstance(each, VitalMissing) and each.reason for each in found.values())
    assert isinstance(world.vitals.answered("production", service, *_minute(world)), VitalMissing)
    assert isinstance(world.vitals.series("production", service, Vital.REQUEST_RATE, *_minute(world)), VitalMissing)
    assert isinstance(world.vitals.peak_rate("production", service, *_minute(world)), VitalMissing)


def test_vitals_are_told_by_version_in_the_same_units(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    begin = world.now()
    world.note("production", service)
    world.send("production", service, 40)

    def seen(vital: Vital, holds: Callable[[float], bool]) -> bool:
        world.note("production", service)
        found = world.vitals.now("production", service, world.now())
        assert set(found) == set(Vital)
        reading = found[vital]
        if isinstance(reading, VitalMissing):
            return False
        told = [(each.version, holds(each.value)) for each in reading]
        return told == [(world.version_of("production", service), True)]

    until(lambda: seen(Vital.REQUEST_RATE, lambda rate: rate > 1))
    peak = world.vitals.peak_rate("production", service, begin, world.now())
    assert isinstance(peak, PeakRate), peak
    assert peak.rate > 1
    assert 0 < peak.covered_ratio <= 1
    until(lambda: seen(Vital.ERROR_RATIO, lambda ratio: ratio == 0))
    until(lambda: seen(Vital.LATENCY_P95_SECONDS, lambda seconds: 0 < seconds < 5))
    until(lambda: seen(Vital.MEMORY_USAGE_BYTES, lambda size: 1e6 < size < 1e9))


def test_what_was_answered_in_a_time_is_told_by_version(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.note("production", service)
    begin, version = world.now(), world.version_of("production", service)
    nothing = world.vitals.answered("production", service, begin - timedelta(seconds=1), begin)
    assert isinstance(nothing, VitalMissing) or nothing[version].requests == 0

    world.send("production", service, 40)

    def told() -> bool:
        world.note("production", service)
        found = world.vitals.answered("production", service, begin, world.now())
        return not isinstance(found, VitalMissing) and found[version].requests == 40

    until(told)


def test_a_time_that_began_before_anybody_counted_is_missing(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.note("production", service)
    now = world.now()
    found = world.vitals.answered("production", service, now - timedelta(hours=5), now)
    assert isinstance(found, VitalMissing)
    assert found.reason


def test_a_series_lies_within_its_time(world: World, service: str) -> None:
    world.deployed(service, replicas=1)

    def told() -> bool:
        world.note("production", service)
        since, now = _minute(world)
        found = world.vitals.series("production", service, Vital.MEMORY_USAGE_BYTES, since, now)
        if isinstance(found, VitalMissing):
            return False
        moments = [at for at, _ in found[0].points]
        return moments == sorted(moments) and since <= moments[0] and moments[-1] <= now

    until(told)


def test_a_service_without_a_log_has_no_lines_rather_than_none(world: World, service: str) -> None:
    now = world.now()
    answer = world.logs.errors("production", service, now - timedelta(minutes=1), now, 10)
    assert isinstance(answer, LogsMissing)


def test_errors_of_a_window_come_oldest_first_and_at_most_so_many(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.log_error("production", service, "before", "Before@shop")
    since = world.now()
    for number in range(3):
        world.log_error("production", service, f"cart {number}", "ValueError@cart.read")
    until = world.now()
    world.log_error("production", service, "after", "After@shop")
    lines = world.logs.errors("production", service, since, until, 2)
    assert not isinstance(lines, LogsMissing)
    assert [line.message for line in lines] == ["cart 0", "cart 1"]
    assert {(line.track, line.level, line.signature) for line in lines} == {
        (Track.STABLE, "error", "ValueError@cart.read")
    }


def _minute(world: World) -> tuple[datetime, datetime]:
    now = world.now()
    return now - timedelta(minutes=1), now
