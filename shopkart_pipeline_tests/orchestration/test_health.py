"""The health of a deployment in Dagster: an asset for each place where something is promised, a check per objective."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    MarkdownMetadataValue,
    TableMetadataValue,
    build_sensor_context,
)

from shopkart_pipeline.defs import health_watch
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.health import health_key
from shopkart_pipeline.domain.health_watch import HealthWatch
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

KEY = health_key("backend", PRODUCTION)


def _definitions(world: World) -> Definitions:
    return build_definitions(world.platform)


def _look(world: World, instance: DagsterInstance) -> ExecuteInProcessResult:
    instance.add_dynamic_partitions("backend_releases", ["r1"])
    job = _definitions(world).resolve_job_def("backend_health")
    return job.execute_in_process(instance=instance, partition_key="r1", raise_on_error=False)


def test_a_healthy_deployment_is_green_with_its_metrics_and_pictures(world: World, instance: DagsterInstance) -> None:
    now = world.clock.now()
    world.vitals.counts = {"r1": Counts(1000, 2)}
    world.vitals.readings = {Vital.REQUEST_RATE: {"r1": 5.0}}
    world.vitals.points = {(Vital.REQUEST_RATE, "r1"): [(now - timedelta(seconds=30), 4.0), (now, 5.0)]}

    result = _look(world, instance)

    assert result.success
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.partition) == ("error_ratio", True, "r1")
    told = {name: value.value for name, value in check.metadata.items()}
    assert (told["value"], told["limit"], told["window_seconds"]) == (0.002, 0.01, 60.0)
    [event] = result.asset_materializations_for_node("backend__health__production")
    assert (event.asset_key, event.partition) == (KEY, "r1")
    table, picture = event.metadata["metrics"], event.metadata["Request rate (per second)"]
    assert isinstance(table, TableMetadataValue)
    assert len(table.records) == len(Vital)
    assert isinstance(picture, MarkdownMetadataValue)
    assert (picture.value or "").startswith("![Request rate (per second)](data:image/png;base64,")
    assert event.metadata["CPU usage (cores)"].value == "missing: nobody measured cpu_usage_cores"


def test_a_broken_objective_is_red_with_its_incident(world: World, instance: DagsterInstance) -> None:
    world.vitals.counts = {"r1": Counts(1000, 200)}

    result = _look(world, instance)

    assert not result.success
    [check] = result.get_asset_check_evaluations()
    assert not check.passed
    assert (check.description or "").startswith("error_ratio 0.2 > 0.01 over 60 s, 1000 requests")
    [incident] = world.incidents.list()
    [event] = result.asset_materializations_for_node("backend__health__production")
    assert event.metadata["incidents"].value == incident.id


def test_a_metrics_server_that_is_gone_is_red_with_the_reason(world: World, instance: DagsterInstance) -> None:
    world.vitals.silence = "Prometheus does not answer"

    result = _look(world, instance)

    assert not result.success
    [check] = result.get_asset_check_evaluations()
    assert check.description == "error_ratio over 60 s was not measured: Prometheus does not answer"
    assert world.incidents.list() == ()


def test_sensor_and_schedule_are_there_where_they_are_declared(world: World) -> None:
    without = _definitions(world).get_repository_def()
    assert "bake_watch" not in {sensor.name for sensor in without.sensor_defs}
    assert not without.has_job("health")

    environments = dict(world.pipeline.environments)
    environments[PRODUCTION] = replace(environments[PRODUCTION], health=HealthWatch(600.0))
    world.pipeline = replace(world.pipeline, environments=environments, schedules={"health": "*/10 * * * *"})
    declared = _definitions(world).get_repository_def()

    assert "bake_watch" in {sensor.name for sensor in declared.sensor_defs}
    assert {schedule.name for schedule in declared.schedule_defs} == {"health"}
    assert declared.get_job("health")


def _watched(world: World) -> World:
    environments = dict(world.pipeline.environments)
    environments[PRODUCTION] = replace(environments[PRODUCTION], health=HealthWatch(600.0))
    world.pipeline = replace(world.pipeline, environments=environments, schedules={"health": "*/10 * * * *"})
    placed = Placed(world.clock.now(), "r1", "sha256:1", "c0ffee", PROMOTE)
    record_placement(world.platform, PROMOTE, "backend", PRODUCTION, placed, "pipeline", "rolled out")
    return world


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def launch_once(instance: DagsterInstance, **asked: Any) -> None:
        del instance
        found.append(asked)

    monkeypatch.setattr(health_watch, "launch_once", launch_once)
    return found


def test_a_release_that_bakes_is_looked_at(
    world: World, instance: DagsterInstance, launched: list[dict[str, Any]]
) -> None:
    [watching] = health_watch.build_bake_sensor(_watched(world).pipeline)
    for _ in range(3):
        watching(build_sensor_context(instance=instance, resources={"platform": world.platform}))
        world.clock.sleep(30)

    [look] = launched
    assert (look["job_name"], look["partition_key"]) == ("backend_health", "r1")
    assert look["asset_selection"] == [KEY]
    assert look["tags"]["shopkart/release"] == "backend@r1"
    assert instance.has_dynamic_partition("backend_releases", "r1")


def test_the_schedule_looks_at_whatever_runs(
    world: World, instance: DagsterInstance, launched: list[dict[str, Any]]
) -> None:
    definitions = _definitions(_watched(world))

    assert definitions.resolve_job_def("health").execute_in_process(instance=instance).success
    assert [look["partition_key"] for look in launched] == ["r1"]
