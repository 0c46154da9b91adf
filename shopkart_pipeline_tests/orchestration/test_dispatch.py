"""Deliveries become runs; the launcher is a stand-in that remembers what it was asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, build_sensor_context

from shopkart_pipeline.defs import dispatch
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.rollback import build_rollback_job
from shopkart_pipeline.domain.declaration import Phase, Source
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[RunRequest]:
    requests: list[RunRequest] = []
    monkeypatch.setattr(dispatch, "launch", lambda instance, request: requests.append(request))
    return requests


def test_a_merge_asks_for_one_run_and_is_done(
    world: World, instance: DagsterInstance, launched: list[RunRequest]
) -> None:
    world.push(world.commit())

    (said,) = dispatch.drain(instance, world.platform)

    assert [(request.service, request.phase) for request in launched] == [("backend", Phase.CI)]
    assert "released backend@" in said
    assert world.inbox.pending() == ()


def test_a_delivery_that_nobody_can_act_upon_does_not_keep_the_others_waiting(
    world: World, instance: DagsterInstance, launched: list[RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = world.commit()
    bad, good = world.push(broken), world.push(world.commit())
    fetch = world.scm.fetch

    def fetch_unless_bad(source: Source, sha: str) -> None:
        if sha == broken:
            raise RuntimeError("a defect of ours")
        fetch(source, sha)

    monkeypatch.setattr(world.scm, "fetch", fetch_unless_bad)

    said = dispatch.drain(instance, world.platform)

    assert len(launched) == 1
    assert [delivery.id for delivery in world.inbox.pending()] == [bad.id]
    assert "waits: RuntimeError" in said[0]
    assert good.id in said[1]


def test_an_approval_is_shown_in_the_lineage(
    world: World, instance: DagsterInstance, launched: list[RunRequest]
) -> None:
    release = world.approved()

    dispatch.drain(instance, world.platform)

    assert [request.phase for request in launched][-1] is Phase.PRODUCTION
    event = instance.get_latest_materialization_event(AssetKey(["backend", "approval"]))
    assert event is not None
    materialization = event.asset_materialization
    assert materialization is not None
    assert materialization.partition == release.key
    assert materialization.metadata["approver"].value == "maya@shopkart.example"


def test_the_sensor_says_what_it_did(world: World, instance: DagsterInstance, launched: list[RunRequest]) -> None:
    sensor = build_definitions(world.platform).get_repository_def().get_sensor_def("deliveries")
    context = build_sensor_context(instance=instance, resources={"platform": world.platform})

    skip = sensor(context)

    assert "The inbox is empty" in str(skip)


def test_the_button_brings_production_back(world: World, instance: DagsterInstance) -> None:
    first = world.released()
    world.released()
    job = build_rollback_job(world.pipeline.services["backend"])

    result = job.execute_in_process(instance=instance, resources={"platform": world.platform})

    assert result.success
    stable = world.observe().stable
    assert stable is not None
    assert stable.spec.release_key == first.key


def test_an_abandoned_rollout_that_has_ended_meanwhile_is_left_alone(world: World, instance: DagsterInstance) -> None:
    release = world.released()
    job = build_rollback_job(world.pipeline.services["backend"])
    config = {"ops": {"backend_roll_back": {"config": {"abandoned_release": release.key}}}}

    result = job.execute_in_process(instance=instance, resources={"platform": world.platform}, run_config=config)

    assert result.success
    stable = world.observe().stable
    assert stable is not None
    assert stable.spec.release_key == release.key
