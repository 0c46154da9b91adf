"""Runs that lost their worker end as what they are, by run monitoring and by the server's own look."""

import logging
import os
import uuid
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from shopkart_pipeline.engine.process_identity import ProcessIdentity, identify
from shopkart_pipeline.engine.reconcile import WORKER_TAG, WORKER_TAG_VALUE, report_orphans
from shopkart_pipeline.engine.run_records import Ended, Queued, Running, RunRecords
from shopkart_pipeline.engine.warm_paths import WarmPaths
from shopkart_pipeline_tests.orchestration.engine import plans

GONE = ProcessIdentity(os.getpid(), "another start")


@pytest.fixture
def records(instance: dg.DagsterInstance) -> RunRecords:
    paths = WarmPaths(Path(instance.root_directory).resolve())
    paths.make()
    return RunRecords(paths.runs)


def started(instance: dg.DagsterInstance, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED) -> str:
    """A run of the warm launcher that nobody works for."""
    job = plans.failing_step(dg.in_process_executor)
    run = instance.create_run_for_job(job, run_id=str(uuid.uuid4()), tags={WORKER_TAG: WORKER_TAG_VALUE})
    reached = {
        dg.DagsterRunStatus.STARTING: dg.DagsterEventType.RUN_STARTING,
        dg.DagsterRunStatus.STARTED: dg.DagsterEventType.RUN_START,
        dg.DagsterRunStatus.CANCELING: dg.DagsterEventType.RUN_CANCELING,
    }
    event = dg.DagsterEvent(reached[status].value, run.job_name)
    instance.report_dagster_event(event, run.run_id)
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_run_monitoring_fails_a_run_whose_worker_was_killed(instance: dg.DagsterInstance, records: RunRecords) -> None:
    killed, alive = started(instance), started(instance)
    records.write(Running(killed, "failing", GONE))
    mine = identify(os.getpid())
    assert mine is not None
    records.write(Running(alive, "failing", mine))

    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        problems = list(execute_run_monitoring_iteration(context, logging.getLogger("monitoring")))

    assert not any(problems)
    assert status(instance, killed) == dg.DagsterRunStatus.FAILURE
    assert status(instance, alive) == dg.DagsterRunStatus.STARTED
    assert any("is gone" in entry.message for entry in instance.all_logs(killed))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED),
    ],
)
def test_an_orphan_is_reported_with_the_reason(
    instance: dg.DagsterInstance, records: RunRecords, was: dg.DagsterRunStatus, becomes: dg.DagsterRunStatus
) -> None:
    run_id = started(instance, was)
    records.write(Ended(run_id, "failing", "its worker was killed by SIGKILL", succeeded=False))

    report_orphans(instance)

    assert status(instance, run_id) == becomes
    events = [entry.message for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)]
    assert events == ["Nobody works for this run any more: its worker was killed by SIGKILL."]


def test_a_run_that_waits_or_is_just_being_launched_is_no_orphan(
    instance: dg.DagsterInstance, records: RunRecords
) -> None:
    waiting, launching = (started(instance, dg.DagsterRunStatus.STARTING) for _ in range(2))
    records.write(Queued(waiting, "failing", 1))

    report_orphans(instance)

    assert {status(instance, waiting), status(instance, launching)} == {dg.DagsterRunStatus.STARTING}


def test_runs_of_other_launchers_are_left_alone(instance: dg.DagsterInstance, records: RunRecords) -> None:
    job = plans.failing_step(dg.in_process_executor)
    run = instance.create_run_for_job(job)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id)

    report_orphans(instance)

    assert status(instance, run.run_id) == dg.DagsterRunStatus.STARTED


def test_an_orphan_gives_its_pool_slots_back(instance: dg.DagsterInstance, records: RunRecords) -> None:
    run_id = started(instance)
    instance.event_log_storage.set_concurrency_slots("scarce", 1)
    instance.event_log_storage.claim_concurrency_slot("scarce", run_id, "a_step")
    records.write(Running(run_id, "failing", GONE))

    report_orphans(instance)

    assert instance.event_log_storage.get_concurrency_info("scarce").active_slot_count == 0
