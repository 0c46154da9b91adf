"""Deliveries become runs; the launcher is a stand-in that remembers what it was asked for."""

from dataclasses import replace
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, build_sensor_context

from shopkart_pipeline.defs import dispatch, sensors
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.keys import rollback_job_name
from shopkart_pipeline.defs.rollback import build_rollback_job
from shopkart_pipeline.defs.show_approval import awaited_metadata
from shopkart_pipeline.domain.declaration import Phase, Source
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import Accepted, RunRequest
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, STAGING, World


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


def test_what_came_later_from_a_repository_that_does_not_answer_waits_for_its_turn(
    world: World, instance: DagsterInstance, launched: list[RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = [world.commit() for _ in range(3)]
    deliveries = [world.push(sha) for sha in commits]
    fetch, outages = world.scm.fetch, [1]

    def fetch_after_an_outage(source: Source, sha: str) -> None:
        if outages:
            outages.pop()
            raise ToolUnavailable("The remote does not answer.", "Wait.")
        fetch(source, sha)

    monkeypatch.setattr(world.scm, "fetch", fetch_after_an_outage)

    dispatch.drain(instance, world.platform)

    assert launched == []
    assert world.inbox.pending() == tuple(deliveries)
    dispatch.drain(instance, world.platform)
    assert [world.evidence.release("backend", each.release_key).sha for each in launched] == commits


def test_more_than_a_hundred_that_wait_hide_nothing_behind_them(
    world: World, instance: DagsterInstance, launched: list[RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = "c" * 40
    for number in range(120):
        world.clock.advance(1)
        world.push(lost, repository={"full_name": f"shopkart/other-{number}"} if number % 2 else {"full_name": "?"})
    waiting = [delivery.id for delivery in world.inbox.pending(limit=200)]
    accept = dispatch.accept

    def accept_unless_waiting(platform: Platform, delivery: Delivery) -> Accepted:
        if delivery.id in waiting:
            raise ToolUnavailable("The remote does not answer.", "Wait.")
        return accept(platform, delivery)

    monkeypatch.setattr(dispatch, "accept", accept_unless_waiting)
    world.push(world.commit())

    dispatch.drain(instance, world.platform)

    assert [request.service for request in launched] == ["backend"]
    assert [delivery.id for delivery in world.inbox.pending(limit=200)] == waiting


def test_a_tick_ends_in_time_and_the_next_one_goes_on(
    world: World, instance: DagsterInstance, launched: list[RunRequest]
) -> None:
    for _ in range(2):
        world.push(world.commit())

    first = dispatch.drain(instance, world.platform, at_most_seconds=-1)

    assert len(first) == len(launched) == 1
    dispatch.drain(instance, world.platform)
    assert len(launched) == 2


def test_a_delivery_that_nobody_understood_is_looked_at_again_when_it_is_delivered_again(
    world: World, instance: DagsterInstance, launched: list[RunRequest]
) -> None:
    delivery = world.push(world.commit())
    world.inbox.done(delivery.id, "rejected: the declaration had a fault", world.clock.now())

    world.inbox.put(delivery)
    dispatch.drain(instance, world.platform)

    assert [request.service for request in launched] == ["backend"]
    assert not world.inbox.put(delivery)


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


def observed(instance: DagsterInstance) -> dict[str, Any]:
    """What the newest observation of the backend's approval shows."""
    observation = instance.fetch_observations(AssetKey(["backend", "approval"]), limit=1).records[0].asset_observation
    assert observation is not None
    return {name: value.value for name, value in observation.metadata.items()}


def test_whom_a_release_waits_for_and_how_they_agree_is_shown_at_its_approval(
    world: World, instance: DagsterInstance, launched: list[RunRequest]
) -> None:
    release = world.ready()

    dispatch.drain(instance, world.platform)

    shown = observed(instance)
    assert shown["approvals_missing"] == 1
    assert shown["awaited_from"] == f"- {MAYA}\n- {JONAS}"
    assert shown["how_to_approve"] == f"- `shopkart approve {release.name}`"
    assert "has a part in it" in shown["does_not_count"]


def test_a_refused_production_run_shows_whom_it_waits_for(world: World, instance: DagsterInstance) -> None:
    release, platform = world.ready(), world.platform
    stage = world.pipeline.services["backend"].stage("production")

    shown = awaited_metadata(platform, release, stage)

    assert shown["how_to_approve"].value == f"- `shopkart approve {release.name}`"
    assert awaited_metadata(platform, release, world.pipeline.services["backend"].stage("lint")) == {}


def test_the_sensor_says_what_it_did(world: World, instance: DagsterInstance, launched: list[RunRequest]) -> None:
    sensor = build_definitions(world.platform).get_repository_def().get_sensor_def("deliveries")
    context = build_sensor_context(instance=instance, resources={"platform": world.platform})

    skip = sensor(context)

    assert "The inbox is empty" in str(skip)


def test_the_sensor_launches_production_once_the_soak_is_over_and_says_what_waits_until_then(
    world: World, instance: DagsterInstance, launched: list[RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "launch", dispatch.launch)
    staging = replace(world.pipeline.services["backend"].deployments[STAGING], soak_seconds=600.0)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, STAGING: staging}))
    release = world.approved()
    dispatch.drain(instance, world.platform)
    launched.clear()
    assert observed(instance)["state"].startswith("production waits: soak: missing:")
    sensor = build_definitions(world.platform).get_repository_def().get_sensor_def("awaited")

    def tick() -> str:
        return str(sensor(build_sensor_context(instance=instance, resources={"platform": world.platform})))

    assert f"{release.name}: waits: soak: missing:" in tick()
    assert launched == []
    world.clock.advance(600)
    assert f"{release.name}: the wait is over, approved by {MAYA}" in tick()
    assert observed(instance)["state"] == f"the wait is over, approved by {MAYA}"
    assert "Nothing is awaited." in tick()
    assert [(request.release_key, request.phase) for request in launched] == [(release.key, Phase.PRODUCTION)]


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


def test_a_rollback_by_comment_launches_the_button_once_and_it_takes_back_that_release(
    world: World, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = world.released(), released_by_pull_request(world)
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(dispatch, "launch_once", lambda instance, **asking: asked.append(asking))
    delivery = world.comment("/rollback")

    dispatch.drain(instance, world.platform)
    dispatch.launch_rollback(instance, accept(world.platform, delivery).rollbacks[0])

    rollbacks = [each for each in asked if each["job_name"] == rollback_job_name("backend")]
    assert rollbacks[0] == rollbacks[1]
    assert rollbacks[0]["key"] == f"{delivery.id}:backend:rollback"
    assert rollbacks[0]["tags"]["shopkart/release"] == second.name
    job = build_rollback_job(world.pipeline.services["backend"])
    config, resources = rollbacks[0]["run_config"], {"platform": world.platform}
    another = job.execute_in_process(instance=instance, resources=resources, run_config=config, raise_on_error=False)
    assert not another.success, "somebody else's run may not use Maya's word"
    run_id = run_id_of(rollbacks[0]["key"])
    assert job.execute_in_process(instance=instance, resources=resources, run_config=config, run_id=run_id).success
    assert in_production(world) == first.key
    assert world.ledger.entries("backend", first.key)[-1].act.actor == MAYA
    again = job.execute_in_process(instance=instance, resources=resources, run_config=config, raise_on_error=False)
    assert not again.success
    assert in_production(world) == first.key


def released_by_pull_request(world: World) -> Release:
    """The merge of pull request 7 runs in production; Maya may roll back by comment."""
    world.know_people(approve=(MAYA,), rollback=(MAYA,))
    release = world.merged()
    for phase in (Phase.CI, Phase.STAGING):
        world.run(release, phase)
    accept(world.platform, world.comment("/approve"))
    assert world.stage(release, "production").passed
    return release


def in_production(world: World) -> str:
    stable = world.observe().stable
    assert stable is not None
    return stable.spec.release_key
