"""Runs that begin and stand there: a launcher that executes nothing, and an instance in memory with it."""

from collections.abc import Callable, Mapping

import dagster as dg
from dagster._core.instance.types import InstanceType
from dagster._core.launcher.base import LaunchRunContext
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.root import TemporaryLocalArtifactStorage
from dagster._core.storage.runs import InMemoryRunStorage
from dagster._serdes import ConfigurableClassData

from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.engine.launch import LaunchedRun
from shopkart_pipeline.engine.launcher import WarmRunLauncher
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.engine.run_records import Queued, RunRecords
from shopkart_pipeline.engine.warm_client import ServerOptions


@dg.op
def stands_there() -> None: ...


@dg.job
def standing() -> None:
    stands_there()


class StandingRuns(WarmRunLauncher):
    """Lets runs begin, and ends them when asked to; no process works for them."""

    def __init__(
        self,
        options: ServerOptions | None = None,
        source: DefinitionsSource | None = None,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(options or ServerOptions(), source or DefinitionsSource(), inst_data)
        self.through: Callable[[Callable[[], object]], object] = lambda call: call()
        """What every call goes through, such as a fuse."""

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        begun = dg.DagsterEventType.RUN_START
        event = dg.DagsterEvent(begun.value, run.job_name)
        if self._instance.all_logs(run.run_id, of_type=begun):
            # Whoever launched it was killed after it had said so, and before the run was known by it.
            self._instance.handle_run_event(run.run_id, event)
        else:
            self._instance.report_dagster_event(event, run.run_id)
        RunRecords(self._paths.runs).write(Queued(run.run_id, run.job_name, sequence=1))

    def terminate(self, run_id: str) -> bool:
        return bool(self.through(lambda: self._terminate(run_id)))

    def _terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceled(run)
        return True


def launch_standing(
    instance: dg.DagsterInstance,
    *,
    key: str,
    job_name: str,
    asset_selection: object,
    partition_key: str,
    tags: Mapping[str, str],
) -> LaunchedRun:
    """In place of the engine's `launch_once`: the run that a key stands for begins, once."""

    def launch() -> bool:
        if instance.get_run_by_id(run_id_of(key)) is not None:
            return False
        wanted = {**tags, "dagster/partition": partition_key, "dagster/run_key": key, "job": job_name}
        status = dg.DagsterRunStatus.STARTED
        instance.create_run_for_job(standing, run_id=run_id_of(key), tags=wanted, status=status)
        return True

    launcher = instance.run_launcher
    assert isinstance(launcher, StandingRuns)
    return LaunchedRun(run_id_of(key), bool(launcher.through(launch)))


def instance_of_standing_runs() -> dg.DagsterInstance:
    """An instance in memory with that launcher."""
    return dg.DagsterInstance(
        instance_type=InstanceType.EPHEMERAL,
        local_artifact_storage=TemporaryLocalArtifactStorage(),
        run_storage=InMemoryRunStorage(),
        event_storage=InMemoryEventLogStorage(),
        compute_log_manager=NoOpComputeLogManager(),
        run_coordinator=DefaultRunCoordinator(),
        run_launcher=StandingRuns(),
    )
