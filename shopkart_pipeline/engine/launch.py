"""Launches a run from outside of the daemon, once, however often and from wherever it is asked for.

The run's id is derived from a key of the caller, so everybody who asks with one key means one run. Under a lock the run
is created if it is not there, submitted if it was never submitted, and handed to the launcher if that never got it:
callers may come at once, and one that died between two of these steps is completed by the next. A run that the launcher
got is never launched again.

The run is the one that the webserver would have created: same origins, snapshots, plan, tags and announced assets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus, JobDefinition

# Private: runs are created by Dagster's own processes only; there is no public way.
from dagster._core.execution.api import create_execution_plan
from dagster._core.launcher.base import LaunchRunContext
from dagster._core.snap.execution_plan_snapshot import snapshot_from_execution_plan
from dagster._core.storage.tags import PARTITION_NAME_TAG, RUN_KEY_TAG

from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.engine.file_lock import file_lock
from shopkart_pipeline.engine.launcher import WarmRunLauncher
from shopkart_pipeline.engine.reconcile import WORKER_TAG, WORKER_TAG_VALUE
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.engine.run_records import NoRecord, RunRecords
from shopkart_pipeline.engine.warm_paths import WarmPaths


@dataclass(frozen=True)
class LaunchedRun:
    """The run that a key stands for."""

    run_id: str
    created: bool
    """Whether this call created it; otherwise somebody had done so before."""


def is_launched_by_key(run: DagsterRun) -> bool:
    """Whether `launch_once` made the run; a person did otherwise, also where it is such a run executed again."""
    return run_id_of(run.tags.get(RUN_KEY_TAG, "")) == run.run_id


def launch_once(
    instance: DagsterInstance,
    *,
    key: str,
    job_name: str,
    asset_selection: Sequence[AssetKey] | None,
    partition_key: str | None,
    tags: Mapping[str, str],
    run_config: Mapping[str, Any] | None = None,
) -> LaunchedRun:
    """Make sure that the run of `key` exists and was submitted.

    Args:
        instance: where the run belongs; its launcher names the definitions.
        key: what the run stands for, for instance a delivery and a service, and the attempt if there can be several.
        job_name: the job; it must be one of the definitions.
        asset_selection: the assets to materialize, with the checks on them; None for all of the job.
        partition_key: the partition; it must exist.
        tags: added to the job's own.
        run_config: as the launchpad would have it.

    Raises:
        NotFound: there is no such job.
        DagsterInvalidSubsetError: the job has no such assets.
        PipelineError, ToolUnavailable: the run was created and could not be launched; it is FAILURE.
    """
    run_id = run_id_of(key)
    paths = WarmPaths(Path(instance.root_directory).resolve())
    paths.make()
    with file_lock(paths.launch_lock(run_id)):
        run = instance.get_run_by_id(run_id)
        created = run is None
        if run is None:
            extra = {PARTITION_NAME_TAG: partition_key} if partition_key else {}
            all_tags = {**tags, **extra, RUN_KEY_TAG: key}
            run = create_run(
                instance, source_of(instance), run_id, job_name, all_tags, asset_selection or (), run_config
            )
        if run.status == DagsterRunStatus.NOT_STARTED:
            # Dagster wants a workspace for launchers that look their code server up in it; this one does not.
            instance.submit_run(run_id, workspace=cast("Any", None))
        elif run.status == DagsterRunStatus.STARTING and _is_lost(instance, paths, run_id):
            instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    return LaunchedRun(run_id, created)


def _is_lost(instance: DagsterInstance, paths: WarmPaths, run_id: str) -> bool:
    """Whether the server never heard of a run that starts: whoever launched it held the lock, and so is dead."""
    is_warm = isinstance(instance.run_launcher, WarmRunLauncher)
    return is_warm and isinstance(RunRecords(paths.runs).read(run_id), NoRecord)


def source_of(instance: DagsterInstance) -> DefinitionsSource:
    """The definitions that the runs of an instance belong to."""
    launcher = instance.run_launcher
    return launcher.source if isinstance(launcher, WarmRunLauncher) else DefinitionsSource()


def create_run(
    instance: DagsterInstance,
    source: DefinitionsSource,
    run_id: str,
    job_name: str,
    tags: Mapping[str, str],
    asset_selection: Sequence[AssetKey] = (),
    run_config: Mapping[str, Any] | None = None,
) -> DagsterRun:
    """Create a run as the webserver does (`create_valid_pipeline_run` in dagster_graphql), without launching it.

    Raises:
        NotFound: there is no such job.
        DagsterInvalidSubsetError: the job has no such assets.
    """
    selected = frozenset(asset_selection)
    job = _job(source, job_name, selected)
    plan = create_execution_plan(
        job, run_config, instance_ref=instance.get_ref(), repository_load_data=source.load_data()
    )
    snapshot = snapshot_from_execution_plan(plan, job.get_job_snapshot_id())
    return instance.create_run(  # pyright: ignore[reportUnknownMemberType]
        job_name=job_name,
        run_id=run_id,
        run_config=run_config,
        status=DagsterRunStatus.NOT_STARTED,
        tags={**job.tags, **tags, WORKER_TAG: WORKER_TAG_VALUE},
        root_run_id=None,
        parent_run_id=None,
        step_keys_to_execute=snapshot.step_keys_to_execute,
        execution_plan_snapshot=snapshot,
        job_snapshot=job.get_job_snapshot(),
        parent_job_snapshot=job.get_parent_job_snapshot(),
        asset_selection=selected or None,
        asset_check_selection=None,
        resolved_op_selection=None,
        op_selection=None,
        remote_job_origin=source.remote_job_origin(job_name),
        job_code_origin=source.job_code_origin(job_name),
        asset_graph=job.asset_layer.asset_graph,
    )


@lru_cache(maxsize=64)
def _job(source: DefinitionsSource, job_name: str, asset_selection: frozenset[AssetKey]) -> JobDefinition:
    repository = source.repository()
    if not repository.has_job(job_name):
        names = ", ".join(sorted(repository.job_names))
        raise NotFound(f"{source.module} has no job {job_name}.", f"Its jobs are: {names}.")
    selected = set(asset_selection) or None  # A frozenset would give the snapshot another id than the webserver's.
    return repository.get_maybe_subset_job_def(job_name, asset_selection=selected)
