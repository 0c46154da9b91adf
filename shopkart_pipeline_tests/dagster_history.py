"""A history in Dagster with everything that a backup has to bring back, and what an instance tells of it."""

from typing import Any

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from shopkart_pipeline.engine.reconcile import WORKER_TAG, WORKER_TAG_VALUE

PARTITIONS = dg.DynamicPartitionsDefinition(name="backend_releases")
KEY = dg.AssetKey(["backend", "image"])
CHECK = dg.AssetCheckKey(KEY, "digest")
STARTED = "8a4a6b0e-0000-4000-8000-000000000001"
_NAMES = ("r1", "r2", "r3")


@dg.asset(key=KEY, partitions_def=PARTITIONS, check_specs=[dg.AssetCheckSpec("digest", asset=KEY)])
def image(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    passed = context.partition_key != "r2"
    return dg.MaterializeResult(
        metadata={"release": context.partition_key},
        check_results=[dg.AssetCheckResult(passed=passed, check_name="digest")],
    )


def release(instance: DagsterInstance, name: str) -> None:
    """One more release comes and is through."""
    instance.add_dynamic_partitions("backend_releases", [name])
    assert dg.materialize([image], partition_key=name, instance=instance).success


def write_history(instance: DagsterInstance) -> None:
    """Three releases, a run that is at work, and a sensor that has seen everything so far."""
    for name in _NAMES:
        release(instance, name)
    run = DagsterRun("backend_ci", STARTED, status=DagsterRunStatus.STARTED, tags={WORKER_TAG: WORKER_TAG_VALUE})
    instance.run_storage.add_run(run)
    instance.report_engine_event("lint is at work", run)
    newest = instance.fetch_materializations(KEY, limit=1).records[0].storage_id
    instance.daemon_cursor_storage.set_cursor_values({"incidents": str(newest)})
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="pipeline"), "pipeline")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "deliveries")
    data = SensorInstigatorData(cursor=str(newest), last_run_key="delivery-3")
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))


def told(instance: DagsterInstance) -> dict[str, Any]:
    """Everything of it, in a form that can be compared."""
    runs = instance.get_runs()
    events = instance.event_log_storage
    return {
        "runs": {run.run_id: (run.job_name, run.status, dict(run.tags)) for run in runs},
        "events": {run.run_id: [str(each) for each in instance.all_logs(run.run_id)] for run in runs},
        "materializations": [
            (each.storage_id, each.partition_key, each.run_id)
            for each in instance.fetch_materializations(KEY, limit=100).records
        ],
        "checks": [
            (each.id, each.run_id, each.status) for each in events.get_asset_check_execution_history(CHECK, limit=100)
        ],
        "partitions": instance.get_dynamic_partitions("backend_releases"),
        "cursors": instance.daemon_cursor_storage.get_cursor_values({"incidents"}),
        "sensors": [
            (each.instigator_name, each.status, each.instigator_data) for each in instance.all_instigator_state()
        ],
    }


def assert_the_next_release_goes_on(instance: DagsterInstance) -> None:
    """What comes after the sensor's cursor is the next release, and nothing that it saw before."""
    [state] = instance.all_instigator_state()
    assert isinstance(state.instigator_data, SensorInstigatorData)
    seen = int(str(state.instigator_data.cursor))
    unseen = dg.AssetRecordsFilter(KEY, after_storage_id=seen)
    assert instance.fetch_materializations(unseen, limit=10).records == []
    release(instance, "r4")
    found = instance.fetch_materializations(unseen, limit=10).records
    assert [each.partition_key for each in found] == ["r4"]
