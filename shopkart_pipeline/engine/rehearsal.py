"""Runs a small job once in the warm server before it forks anything.

Much of what a run costs is paid by the first run of a process: modules that are imported where they are used,
statements that are compiled, snapshots that are computed. Rehearsed in the server, it is paid once, and every child
inherits the result. The rehearsal has a home of its own in a temporary folder and leaves neither threads nor
connections behind.
"""

import shutil
import tempfile
import warnings
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterInstance

# Private: a run that is not executed in process has no public interface.
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import RepositoryDefinition
from dagster._core.execution.api import create_execution_plan, execute_run_iterator
from dagster._core.instance.ref import InstanceRef
from dagster._core.snap.execution_plan_snapshot import snapshot_from_execution_plan

from shopkart_pipeline.engine.executor import parallel_threads
from shopkart_pipeline.engine.first_open import HomeDatabases

_CONFIG = """
instance_class: {module: shopkart_pipeline.engine.instance, class: WarmInstance}
telemetry: {enabled: false}
"""


def rehearse(databases: HomeDatabases) -> None:
    """Create and execute a partitioned run with a check, on storages like those of the real instance.

    Args:
        databases: those of the real instance; nothing is written there.
    """
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as home:
        Path(home, "dagster.yaml").write_text(_CONFIG)
        if databases.patterns.base.exists():
            shutil.copytree(databases.patterns.base, HomeDatabases(Path(home)).patterns.base)
        with DagsterInstance.from_ref(InstanceRef.from_dir(home)) as instance:
            instance.add_dynamic_partitions("rehearsals", ["first"])
            job = _definitions().resolve_job_def("rehearsal")
            run = instance.create_run_for_job(job, tags={"dagster/partition": "first"})
            events = list(execute_run_iterator(InMemoryJob(job), run, instance))
            if events[-1].event_type != DagsterEventType.RUN_SUCCESS:
                raise RuntimeError(f"The rehearsal of a run failed: {events[-1].message}")


def prepare_jobs(repository: RepositoryDefinition) -> list[str]:
    """Compute the snapshots and plans of all jobs, so that nobody has to afterwards. Returns the jobs' names.

    A job that can't be planned without configuration is left for when it gets some.
    """
    names = sorted(repository.job_names)
    for name in names:
        job = repository.get_job(name)
        snapshot_id = job.get_job_snapshot_id()
        try:
            plan = create_execution_plan(job)
        except dg.DagsterInvalidConfigError:
            continue
        snapshot_from_execution_plan(plan, snapshot_id)
    return names


def _definitions() -> dg.Definitions:
    partitions = dg.DynamicPartitionsDefinition(name="rehearsals")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # Partitioned checks; the pipeline's own are, too.
        gate = dg.AssetCheckSpec("gate", asset="rehearsed", blocking=True, partitions_def=partitions)

    @dg.asset(partitions_def=partitions, check_specs=[gate])
    def rehearsed(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # pyright: ignore[reportMissingTypeArgument, reportUnknownParameterType]
        context.log.info("Rehearsing.")
        check = dg.AssetCheckResult(check_name="gate", passed=True, metadata={"value": 1})
        return dg.MaterializeResult(metadata={"value": 1}, check_results=[check])

    @dg.asset(partitions_def=partitions, deps=[rehearsed])
    def rehearsed_again() -> None:
        pass

    job = dg.define_asset_job("rehearsal", executor_def=parallel_threads)  # pyright: ignore[reportUnknownMemberType]
    return dg.Definitions(assets=[rehearsed, rehearsed_again], jobs=[job])
