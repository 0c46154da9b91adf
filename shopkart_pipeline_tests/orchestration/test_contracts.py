"""The sensor that asks for contracting migrations, there where there are any."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, build_sensor_context

from shopkart_pipeline.defs import contracts
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline_tests.fakes.migrating import migrating
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


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


def test_without_contractions_there_is_no_sensor_for_them(world: World) -> None:
    names = {sensor.name for sensor in build_definitions(world.platform).get_repository_def().sensor_defs}
    assert names
    assert contracts.DUE_CONTRACTS not in names
