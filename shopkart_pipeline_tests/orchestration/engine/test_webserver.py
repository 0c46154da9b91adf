"""Runs launched from the user interface and by `launch_once` are of one kind."""

from collections.abc import Iterator

import dagster as dg
import pytest

from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline_tests.orchestration.engine.homes import Home, wait_for
from shopkart_pipeline_tests.orchestration.engine.webserver import DRY_RUN, LOCATION, TERMINATE, Webserver, webserver


@pytest.fixture(scope="module")
def ui(warm_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webserver]:
    with webserver(warm_home.paths.home, tmp_path_factory.mktemp("webserver")) as server:
        yield server


def test_a_run_launched_from_the_interface_succeeds_in_the_warm_server(ui: Webserver, warm_home: Home) -> None:
    run_id = ui.launch("sample_ci", dagster__partition="r3")

    assert warm_home.ended(run_id).is_success
    assert ui.run(run_id)["status"] == "SUCCESS"
    assert warm_home.run(run_id).tags["shopkart_pipeline/worker"] == "warm"


def test_a_run_of_launch_once_looks_as_if_launched_from_the_interface(ui: Webserver, warm_home: Home) -> None:
    theirs = warm_home.ended(ui.launch("sample_ci", dagster__partition="r4"))
    ours = warm_home.ended(warm_home.launch("sample_ci", "looks the same", "r4"))

    assert ours.job_snapshot_id == theirs.job_snapshot_id
    assert ours.execution_plan_snapshot_id == theirs.execution_plan_snapshot_id
    assert ours.step_keys_to_execute == theirs.step_keys_to_execute
    assert ours.remote_job_origin == theirs.remote_job_origin
    assert ours.job_code_origin == theirs.job_code_origin
    assert ours.partitions_subset == theirs.partitions_subset
    assert ours.has_repository_load_data == theirs.has_repository_load_data
    added = {"dagster/run_key", "who"}
    assert {key: ours.tags[key] for key in ours.tags.keys() - added} == theirs.tags
    assert kinds(warm_home, ours) == kinds(warm_home, theirs)
    shown, expected = ui.run(ours.run_id), ui.run(theirs.run_id)
    assert shown["repositoryOrigin"] == expected["repositoryOrigin"]
    assert shown["pipelineSnapshotId"] == expected["pipelineSnapshotId"]


def test_a_selection_has_the_snapshots_that_it_has_from_the_interface(ui: Webserver, warm_home: Home) -> None:
    key = dg.AssetKey(["sample", "stage_07"])
    theirs = warm_home.ended(ui.launch("sample_ci", selected=key, dagster__partition="r5"))

    ours = warm_home.ended(warm_home.launch("sample_ci", "selected", "r5", selected=key))

    assert ours.asset_selection == theirs.asset_selection == {key}
    assert ours.job_snapshot_id == theirs.job_snapshot_id
    assert ours.execution_plan_snapshot_id == theirs.execution_plan_snapshot_id
    assert kinds(warm_home, ours) == kinds(warm_home, theirs)


def test_terminating_from_the_interface_ends_the_run_cancelled(ui: Webserver, warm_home: Home) -> None:
    run_id = ui.launch("endless_python_job")
    warm_home.began(run_id)

    answer = ui.ask(TERMINATE, runId=run_id)

    assert answer["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_for(lambda: ui.run(run_id)["status"] == "CANCELED")


def test_a_sensor_in_the_code_server_can_launch(ui: Webserver, warm_home: Home) -> None:
    answer = ui.ask(DRY_RUN, sensor={**LOCATION, "sensorName": "launching_sensor"})

    assert answer["sensorDryRun"]["__typename"] == "DryRunInstigationTick", answer
    assert not answer["sensorDryRun"]["evaluationResult"]["error"]
    run = warm_home.ended(run_id_of("from a sensor"))
    assert run.is_success
    assert run.tags["by"] == "another process"


def kinds(home: Home, run: dg.DagsterRun) -> list[tuple[str | None, str]]:
    entries = [entry.dagster_event for entry in home.instance.all_logs(run.run_id) if entry.dagster_event]
    return sorted((event.step_key or "", event.event_type_value) for event in entries)
