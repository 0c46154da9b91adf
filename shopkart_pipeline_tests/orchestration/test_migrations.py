"""Migrations as Dagster runs them, and the sensor that asks for contractions where there are any."""

import pytest
from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult, build_sensor_context

from shopkart_pipeline.defs import contracts
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.keys import partitions_name
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.job import JobPhase, JobStatus
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline_tests.fakes.fake_cluster import JobBehaviour
from shopkart_pipeline_tests.fakes.migrating import EXPAND, migrating
from shopkart_pipeline_tests.fakes.world import World


def test_a_contraction_is_launched_once_it_is_time_and_not_before(
    world: World, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[RunRequest] = []
    monkeypatch.setattr(contracts, "launch", lambda instance, request: launched.append(request))
    world.declare("backend", migrating)
    release = world.approved()
    assert all(outcome.passed for outcome in world.run(release, Phase.PRODUCTION))
    repository = build_definitions(world.platform).get_repository_def()
    sensor = repository.get_sensor_def(contracts.DUE_CONTRACTS)

    def tick() -> str:
        return str(sensor(build_sensor_context(instance=instance, resources={"platform": world.platform})))

    assert "Nothing is due." in tick()
    world.clock.advance(3600)
    assert f"{release.name}:contract:after:" in tick()
    [request] = launched
    assert (request.service, request.release_key, request.phase, request.stages) == (
        "backend",
        release.key,
        Phase.PRODUCTION,
        ("contract",),
    )
    job = repository.get_job("backend_production")
    assert AssetKey(["backend", "contract"]) in job.asset_layer.selected_asset_keys
    world.run(release, request.phase, request.stages)
    assert "Nothing is due." in tick()


def production_run(world: World, instance: DagsterInstance, release: Release) -> ExecuteInProcessResult:
    instance.add_dynamic_partitions(partitions_name("backend"), [release.key])
    job = build_definitions(world.platform).resolve_job_def("backend_production")
    return job.execute_in_process(instance=instance, partition_key=release.key, raise_on_error=False)


def test_a_production_run_migrates_around_its_rollout(world: World, instance: DagsterInstance) -> None:
    world.declare("backend", migrating)
    release = world.approved()

    run = production_run(world, instance, release)

    assert run.success
    keys = [event.asset_key for event in run.get_asset_materialization_events()]
    assert [key.path[-1] for key in keys if key is not None] == ["production_expand", "production", "contract"]


def test_a_production_run_ends_where_its_expansion_fails(world: World, instance: DagsterInstance) -> None:
    world.declare("backend", migrating)
    release = world.approved()
    failed = JobStatus(JobPhase.FAILED, "exit code 3", ("no such table",))
    world.cluster.job_behaviours[EXPAND[0]] = JobBehaviour(status=failed)

    run = production_run(world, instance, release)

    assert not run.success
    [failure] = [event for event in run.all_events if event.is_step_failure]
    assert "exit code 3; its log ends: no such table" in str(failure.step_failure_data.error)
    assert world.observe().stable is None


def test_without_contractions_there_is_no_sensor_for_them(world: World) -> None:
    names = {sensor.name for sensor in build_definitions(world.platform).get_repository_def().sensor_defs}
    assert names
    assert contracts.DUE_CONTRACTS not in names
