"""Merges of one service run one after another and are never dropped, whatever else happens to the server."""

import os
import signal

import dagster as dg
import pytest

from shopkart_pipeline.engine.launcher import keep_serving
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.engine.run_records import Queued
from shopkart_pipeline_tests.orchestration.engine.homes import Home, is_alive, wait_for

MERGES = 20


def times(home: Home) -> list[tuple[str, str]]:
    """What runs of the timed job have left so far: `began` or `ended`, and the run."""
    path = home.scratch / "times"
    return [(what, run_id) for what, run_id in map(str.split, path.read_text().splitlines())] if path.exists() else []


def one_after_another(runs: list[str]) -> list[tuple[str, str]]:
    return [(what, run_id) for run_id in runs for what in ("began", "ended")]


@pytest.mark.thorough
def test_twenty_merges_at_once_run_in_order_through_a_killed_server_and_block_nobody(cold_home: Home) -> None:
    cold_home.launcher.start_server()
    server = cold_home.server_pid()
    before_them = cold_home.launch("endless_python_job", "before them", queue="backend:ci")
    merges = [cold_home.launch("timed_job", f"merge {number}", queue="backend:ci") for number in range(MERGES)]
    other = cold_home.launch("sample_ci", "another service", "r1", queue="frontend:ci")
    assert cold_home.ended(other).is_success
    assert cold_home.client.status()["queued"] == merges

    os.kill(server, signal.SIGKILL)
    wait_for(lambda: not is_alive(server))
    keep_serving(cold_home.instance)
    assert cold_home.client.status()["queued"] == merges
    cold_home.launcher.terminate(before_them)

    assert [cold_home.ended(run_id).status for run_id in merges] == [dg.DagsterRunStatus.SUCCESS] * MERGES
    assert times(cold_home) == one_after_another(merges)
    assert cold_home.server_pid() != server


def test_a_server_is_started_only_where_somebody_waits_for_one(cold_home: Home) -> None:
    keep_serving(cold_home.instance)

    assert not cold_home.client.is_served()


def test_a_run_that_waits_can_be_cancelled_and_the_next_has_its_turn(warm_home: Home) -> None:
    busy, unwanted, next_one = (
        warm_home.launch(job, f"turn of {job} {number}", queue="cancelling")
        for number, job in enumerate(["short_job", "timed_job", "timed_job"])
    )
    warm_home.began(busy)
    assert isinstance(warm_home.record(unwanted), Queued)

    assert warm_home.launcher.terminate(unwanted)

    assert warm_home.run(unwanted).status == dg.DagsterRunStatus.CANCELED
    assert warm_home.ended(next_one).is_success
    assert [run_id for what, run_id in times(warm_home) if what == "began"][-1] == next_one


def test_the_turn_comes_when_the_worker_before_is_gone_and_not_when_it_is_told_to_go(warm_home: Home) -> None:
    doomed = warm_home.launch("endless_python_job", "doomed in a queue", queue="ending")
    worker = warm_home.began(doomed)
    waiting = warm_home.launch("timed_job", "waits for the doomed", queue="ending")

    warm_home.launcher.terminate(doomed)

    assert warm_home.ended(waiting).is_success
    assert not is_alive(worker)


def test_pull_requests_leave_places_to_merges(cold_home: Home) -> None:
    """The limits are those of the definitions' module: three places, two of them for pull requests."""
    cold_home.launcher.start_server()
    proposed = [cold_home.launch("waiting_job", f"pull request {number}", limit="pull_requests") for number in range(3)]
    merge = cold_home.launch("timed_job", "merge")

    assert cold_home.ended(merge).is_success
    assert sorted(cold_home.client.status()["running"]) == sorted(proposed[:2])
    assert cold_home.client.status()["queued"] == [proposed[2]]


def test_a_rollback_does_not_wait_for_a_place(cold_home: Home) -> None:
    cold_home.launcher.start_server()
    for number in range(3):
        cold_home.began(cold_home.launch("endless_python_job", f"busy {number}"))
    waiting = cold_home.launch("timed_job", "waits")

    rollback = cold_home.launch("timed_job", "rollback", limit="none")

    assert cold_home.ended(rollback).is_success
    assert isinstance(cold_home.record(waiting), Queued)


def test_a_run_that_was_lost_on_its_way_to_the_server_is_launched_by_the_next_caller(warm_home: Home) -> None:
    """Its launcher died after it had said that the run starts, and before the server had it on record."""
    pattern = warm_home.run(warm_home.launch("timed_job", "a pattern"))
    lost = pattern._replace(run_id=run_id_of("lost on its way"), status=dg.DagsterRunStatus.NOT_STARTED)
    warm_home.instance.run_storage.add_run(lost)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, lost.job_name)
    warm_home.instance.report_dagster_event(event, lost.run_id)
    assert warm_home.run(lost.run_id).status == dg.DagsterRunStatus.STARTING

    launched = warm_home.launch("timed_job", "lost on its way")

    assert launched == lost.run_id
    assert warm_home.ended(launched).is_success


def test_a_run_that_was_cancelled_before_it_was_launched_stays_so(warm_home: Home) -> None:
    pattern = warm_home.run(warm_home.launch("timed_job", "another pattern"))
    early = pattern._replace(run_id=run_id_of("cancelled early"), status=dg.DagsterRunStatus.NOT_STARTED)
    warm_home.instance.run_storage.add_run(early)

    assert warm_home.launcher.terminate(early.run_id)
    warm_home.launch("timed_job", "cancelled early")

    assert warm_home.run(early.run_id).status == dg.DagsterRunStatus.CANCELED
    assert early.run_id not in {run_id for _, run_id in times(warm_home)}
