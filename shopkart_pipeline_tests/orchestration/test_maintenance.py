"""The maintenance job: what no webhook told becomes runs, and one part that fails keeps no other from being done."""

from dataclasses import replace
from pathlib import Path

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult

from shopkart_pipeline.defs import dispatch, maintenance
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.ports.code_host import HookDelivery
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline_tests.fakes.fake_attestor import AwaySigner, FakeAttestor
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.memory_anchor import MemoryAnchor
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A merge that no webhook told of, and a delivery that failed."""
    world = World(tmp_path)
    world.merge()
    world.code_reader = reader = FakeCodeReader(world.clock)
    reader.heads[REPOSITORY, "main"] = world.commit()
    reader.deliveries.append(HookDelivery("lost", 1, "push", 1, False, world.clock.now()))
    world.clock.advance(300)
    return world


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[RunRequest]:
    requests: list[RunRequest] = []
    monkeypatch.setattr(dispatch, "launch", lambda instance, request: requests.append(request))
    return requests


def reconcile(world: World, instance: DagsterInstance) -> ExecuteInProcessResult:
    job = build_definitions(world.platform).resolve_job_def("reconcile")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def test_what_was_missed_becomes_a_run_and_what_failed_is_delivered_again(
    world: World, instance: DagsterInstance, launched: list[RunRequest]
) -> None:
    result = reconcile(world, instance)

    assert result.success
    assert [world.evidence.release(each.service, each.release_key).sha for each in launched] == [world.tip]
    assert isinstance(world.code_reader, FakeCodeReader)
    assert world.code_reader.delivered_again == ["lost"]


def test_the_ledger_is_signed_and_a_signer_that_is_away_is_seen(
    world: World, instance: DagsterInstance, launched: list[RunRequest]
) -> None:
    attestor, anchor = FakeAttestor(), MemoryAnchor()
    world.ledger.append(Act(world.clock.now(), "maya", "promote", "backend", "r1", "sha256:1", {}))
    signing = replace(world.platform, attestor=attestor, envelopes=attestor, anchor=anchor)

    assert (
        not maintenance.build_maintenance_job()
        .execute_in_process(
            instance=instance,
            resources={"platform": replace(signing, attestor=AwaySigner())},
            raise_on_error=False,
            op_selection=["sign_ledger"],
        )
        .success
    )
    assert (
        maintenance.build_maintenance_job()
        .execute_in_process(instance=instance, resources={"platform": signing}, op_selection=["sign_ledger"])
        .success
    )
    newest = world.ledger.newest()
    assert newest is not None
    assert [head.sequence for head in world.ledger.heads()] == [newest.sequence]
    assert [mark.sequence for mark in anchor.marks()] == [newest.sequence]


def test_a_part_that_fails_keeps_no_other_from_being_done(
    world: World, instance: DagsterInstance, launched: list[RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def reconcile_sources(platform: Platform) -> tuple[str, ...]:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(maintenance, "reconcile_sources", reconcile_sources)
    pushed = world.push(world.commit())

    result = reconcile(world, instance)

    assert not result.success
    assert result.failure_data_for_node("reconcile_branches") is not None
    assert isinstance(world.code_reader, FakeCodeReader)
    assert world.code_reader.delivered_again == ["lost"]
    assert pushed.id in world.inbox.outcomes
    assert not result.failure_data_for_node("sweep_old_work")
