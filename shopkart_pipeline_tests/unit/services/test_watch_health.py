"""The health of a deployment: looked at, told, and made an incident where it hurts."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shopkart_pipeline.domain.health_watch import HealthWatch
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital, VitalMissing
from shopkart_pipeline.services.due_health import baking, running
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement
from shopkart_pipeline.services.show_health import pictures, value_in_words, vital_rows
from shopkart_pipeline.services.watch_health import HealthReport, look_at_health, watch_health
from shopkart_pipeline_tests.fakes.fake_vitals import FakeVitals
from shopkart_pipeline_tests.fakes.world import PRODUCTION, STAGING, World


def _watch(world: World, version: str = "r1") -> HealthReport:
    deployment = world.platform.service("backend").deployments[PRODUCTION]
    return watch_health(world.platform, "backend", deployment, version)[0]


def _look(world: World) -> HealthReport:
    return look_at_health(world.platform, "backend", world.platform.service("backend").deployments[PRODUCTION])


def test_a_deployment_within_its_objectives_is_healthy_and_opens_nothing(world: World) -> None:
    world.vitals.counts = {"r1": Counts(1000, 2)}
    report = _watch(world)
    assert report.is_healthy
    assert report.words == "error_ratio 0.002 <= 0.01 over 60 s, 1000 requests"
    assert world.incidents.list() == ()


def test_a_broken_objective_opens_one_incident_however_often_it_is_looked_at(world: World) -> None:
    world.vitals.counts = {"r1": Counts(1000, 200)}
    for _ in range(3):
        assert not _watch(world).is_healthy
        world.clock.sleep(60)
    [incident] = world.incidents.list()
    assert (incident.service, incident.environment) == ("backend", PRODUCTION)
    assert incident.reason.startswith("error_ratio 0.2 > 0.01 over 60 s, 1000 requests")


def test_an_incident_that_can_not_be_kept_does_not_hide_the_broken_objective(world: World) -> None:
    world.vitals.counts, world.incidents.is_full = {"r1": Counts(1000, 200)}, True
    deployment = world.platform.service("backend").deployments[PRODUCTION]
    report, [told] = watch_health(world.platform, "backend", deployment, "r1")
    assert not report.is_healthy
    assert told.startswith("none could be opened: The incident could not be kept")


def test_what_can_not_be_measured_is_not_healthy_and_wakes_nobody(world: World) -> None:
    world.vitals.silence = "Prometheus does not answer"
    report = _watch(world)
    assert not report.is_healthy
    assert report.words == "error_ratio over 60 s was not measured: Prometheus does not answer"
    assert all(isinstance(each, VitalMissing) for each in report.vitals.values())
    assert world.incidents.list() == ()


def test_a_release_answers_for_its_own_requests_alone(world: World) -> None:
    world.vitals.counts = {"r1": Counts(1000, 0), "r2": Counts(100, 50)}
    assert _watch(world, "r1").is_healthy
    assert not _watch(world, "r2").is_healthy
    assert not _look(world).is_healthy, "both together are 50 of 1100"


def test_a_release_that_answered_nothing_was_not_measured(world: World) -> None:
    world.vitals.counts = {"r1": Counts(1000, 0)}
    assert "release r9 answered nothing that was counted" in _watch(world, "r9").words


def test_where_nobody_tells_versions_apart_all_requests_count(world: World) -> None:
    world.vitals.counts = {"": Counts(1000, 0)}
    assert _watch(world).is_healthy


def test_a_broken_objective_of_staging_wakes_nobody(world: World) -> None:
    service = world.platform.service("backend")
    promised = replace(service.deployments[STAGING], objectives=service.deployments[PRODUCTION].objectives)
    world.vitals.counts = {"r1": Counts(1000, 200)}
    report, incidents = watch_health(world.platform, "backend", promised, "r1")
    assert not report.is_healthy
    assert incidents == ()


def test_a_silent_server_is_asked_about_an_objective_once(world: World) -> None:
    asked = list[float]()

    class Silent(FakeVitals):
        def answered(
            self, environment: str, service: str, since: datetime, until: datetime
        ) -> Mapping[str, Counts] | VitalMissing:
            asked.append((until - since).total_seconds())
            return VitalMissing(until, "no answer within 3 s")

    world.vitals = Silent()
    assert not _watch(world).is_healthy
    assert asked == [60.0]


def test_every_metric_has_a_row_with_its_value_or_its_reason(world: World) -> None:
    world.vitals.counts = {"r1": Counts(1000, 2)}
    world.vitals.readings = {Vital.MEMORY_USAGE_BYTES: {"r1": 96 * 2**20}, Vital.REQUEST_RATE: {"r1": 5.0, "r2": 1.0}}
    rows = vital_rows(_look(world))
    assert [(row.version, row.value) for row in rows if row.metric == "Request rate"] == [
        ("r1", "5 1/s"),
        ("r2", "1 1/s"),
    ]
    assert [row.value for row in rows if row.metric == "Memory usage"] == ["96.0 MiB"]
    assert [row.missing for row in rows if row.metric == "CPU usage"] == ["nobody measured cpu_usage_cores"]
    assert {row.metric for row in rows} == {vital.words for vital in Vital}


@pytest.mark.parametrize("vital", list(Vital))
def test_every_value_has_words(vital: Vital) -> None:
    assert value_in_words(vital, 0.25)


def test_there_are_eight_pictures_or_the_reasons_why_not(world: World) -> None:
    world.vitals.counts = {"r1": Counts(1000, 2)}
    now = world.clock.now()
    world.vitals.points = {(Vital.REQUEST_RATE, "r1"): [(now - timedelta(seconds=30), 4.0), (now, 5.0)]}
    shown = pictures(world.platform, _look(world))
    assert len(shown) == 8
    assert [each.title for each in shown if each.png] == ["Request rate (per second)"]
    assert all(each.missing for each in shown if not each.png)


def test_pictures_of_a_slow_server_are_given_up(world: World) -> None:
    report = _look(world)

    class Slow(FakeVitals):
        def series(
            self, environment: str, service: str, vital: Vital, since: datetime, until: datetime
        ) -> VitalMissing:
            world.clock.sleep(5)
            return VitalMissing(until, "no answer within 5 s")

    world.vitals = Slow()
    before = world.clock.now()
    shown = pictures(world.platform, report)
    assert {each.missing for each in shown} == {"no answer within 5 s", "the metrics server takes too long"}
    assert world.clock.now() - before < timedelta(seconds=40)


def _placed(world: World, key: str) -> None:
    placed = Placed(world.clock.now(), key, "sha256:1", "c0ffee", PROMOTE)
    record_placement(world.platform, PROMOTE, "backend", PRODUCTION, placed, "pipeline", "rolled out")


def _baking(world: World) -> None:
    environments = dict(world.pipeline.environments)
    environments[PRODUCTION] = replace(environments[PRODUCTION], health=HealthWatch(180.0, 60.0))
    world.pipeline = replace(world.pipeline, environments=environments)


def test_a_release_is_looked_at_once_in_each_interval_while_it_bakes(world: World) -> None:
    _baking(world)
    _placed(world, "r1")
    seen = dict[str, float]()
    for second in range(0, 400, 10):
        for look in baking(world.platform):
            seen.setdefault(look.key, second)
            assert (look.service, look.environment, look.release_key) == ("backend", PRODUCTION, "r1")
        world.clock.sleep(10)
    assert list(seen.values()) == [60, 120, 180]


def test_without_a_declared_watch_nothing_bakes(world: World) -> None:
    _placed(world, "r1")
    world.clock.sleep(60)
    assert baking(world.platform) == ()


def test_the_schedule_looks_at_what_runs_where_something_is_promised(world: World) -> None:
    assert running(world.platform, "1") == ()
    _placed(world, "r1")
    _placed(world, "r2")
    [look] = running(world.platform, "1")
    assert (look.service, look.environment, look.release_key) == ("backend", PRODUCTION, "r2")
    assert running(world.platform, "2")[0].key != look.key
