"""A key stands for one run, however many ask for it and whatever happens in between."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest

from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.engine.launch import launch_once
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.engine.warm_client import WarmClient
from shopkart_pipeline_tests.orchestration.engine.homes import SAMPLE_DEFINITIONS, Home, is_alive, wait_for


def ask(instance: dg.DagsterInstance, key: str, **changes: object):
    arguments = {
        "key": key,
        "job_name": "sample_ci",
        "asset_selection": None,
        "partition_key": "r2",
        "tags": {"delivery": "d1"},
        **changes,
    }
    return launch_once(instance, **arguments)


def test_eight_callers_at_once_make_one_run(warm_home: Home) -> None:
    def caller(_: int) -> tuple[str, bool]:
        with dg.DagsterInstance.from_ref(warm_home.instance.get_ref()) as instance:
            launched = ask(instance, "eight callers")
            return launched.run_id, launched.created

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(caller, range(8)))

    run_id = run_id_of("eight callers")
    assert sorted(answers) == [(run_id, False)] * 7 + [(run_id, True)]
    assert warm_home.ended(run_id).is_success
    starts = warm_home.instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_START)
    assert len(starts) == 1


def test_a_run_that_was_created_and_never_launched_is_launched_by_the_next_caller(warm_home: Home) -> None:
    pattern = warm_home.run(ask(warm_home.instance, "pattern").run_id)
    forsaken = pattern._replace(run_id=run_id_of("forsaken"), status=dg.DagsterRunStatus.NOT_STARTED)
    warm_home.instance.run_storage.add_run(forsaken)

    launched = ask(warm_home.instance, "forsaken")

    assert not launched.created
    assert warm_home.ended(launched.run_id).is_success


def test_a_run_that_failed_is_not_launched_again(warm_home: Home) -> None:
    first = ask(warm_home.instance, "fails once", job_name="dies_job", partition_key=None)
    warm_home.ended(first.run_id)

    second = ask(warm_home.instance, "fails once", job_name="dies_job", partition_key=None)

    assert second.run_id == first.run_id
    assert not second.created
    assert warm_home.run(second.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_selection_materializes_only_its_assets_with_their_checks(warm_home: Home) -> None:
    chosen = dg.AssetKey(["sample", "stage_03"])

    launched = ask(warm_home.instance, "selection", asset_selection=[chosen])

    run = warm_home.ended(launched.run_id)
    assert run.is_success
    assert run.asset_selection == {chosen}
    logs = warm_home.instance.all_logs(run.run_id)
    kinds = [entry.dagster_event_type for entry in logs]
    assert kinds.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 1
    assert kinds.count(dg.DagsterEventType.ASSET_CHECK_EVALUATION) == 1


def test_the_run_carries_partition_key_and_tags(warm_home: Home) -> None:
    run = warm_home.run(ask(warm_home.instance, "tags").run_id)

    assert run.tags["dagster/partition"] == "r2"
    assert run.tags["dagster/run_key"] == "tags"
    assert run.tags["delivery"] == "d1"
    assert run.tags["team"] == "engine"


def test_a_function_that_the_warm_server_calls_can_launch(warm_home: Home) -> None:
    warm_home.client.call(f"{SAMPLE_DEFINITIONS}:launch_from_a_call")

    run_id = run_id_of("from a call")
    wait_for(lambda: warm_home.instance.get_run_by_id(run_id))
    assert warm_home.ended(run_id).is_success


def test_an_unknown_job_is_named_and_leaves_no_run(warm_home: Home) -> None:
    with pytest.raises(NotFound, match="has no job missing"):
        ask(warm_home.instance, "missing job", job_name="missing")

    assert warm_home.instance.get_run_by_id(run_id_of("missing job")) is None


def test_an_unknown_asset_is_named_and_leaves_no_run(warm_home: Home) -> None:
    with pytest.raises((dg.DagsterInvalidSubsetError, PipelineError)):
        ask(warm_home.instance, "missing asset", asset_selection=[dg.AssetKey("missing")])

    assert warm_home.instance.get_run_by_id(run_id_of("missing asset")) is None


def test_a_run_whose_server_dies_while_it_is_handed_over_is_launched_all_the_same(
    cold_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher, deaths = cold_home.launcher, [1]
    start_server = launcher.start_server

    def start_and_die() -> WarmClient:
        client = start_server()
        if deaths:
            deaths.pop()
            pid = cold_home.server_pid()
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not is_alive(pid))
        return client

    monkeypatch.setattr(launcher, "start_server", start_and_die)

    launched = ask(cold_home.instance, "handed over", partition_key="r1")

    assert cold_home.ended(launched.run_id).is_success
