"""The run launcher of `dagster.yaml`: hands runs to the warm server of the instance home.

Whoever launches (webserver, daemon, a sensor's code server, our own `launch_once`) does so in its own process; the
server is started by the first that needs it. The health of a worker is read from its record, so the check is right also
while no server runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRun, Field, IntSource, StringSource

# Private: a launcher outside of Dagster's own packages has no other way to its base classes.
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClass, ConfigurableClassData, serialize_value

from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.engine.places import QUEUE_TAG, groups_of
from shopkart_pipeline.engine.reconcile import WORKER_TAG, WORKER_TAG_VALUE
from shopkart_pipeline.engine.run_records import Ended, NoRecord, Queued, Running, RunRecords
from shopkart_pipeline.engine.warm_client import ServerOptions, WarmClient
from shopkart_pipeline.engine.warm_paths import WarmPaths, replace_text

_LOG_TAIL_BYTES = 4000
_ATTEMPTS = 3
"""To hand a run over."""


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """Launches runs in children of the warm server."""

    def __init__(
        self, options: ServerOptions, source: DefinitionsSource, inst_data: ConfigurableClassData | None = None
    ) -> None:
        self._options = options
        self._source = source
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @property
    def source(self) -> DefinitionsSource:
        """The definitions whose jobs this launcher runs."""
        return self._source

    @property
    def options(self) -> ServerOptions:
        """How a server is started."""
        return self._options

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """What `dagster.yaml` may say; what it means is told at `ServerOptions` and `DefinitionsSource`."""
        options, source = ServerOptions(), DefinitionsSource()
        return {
            "definitions_module": Field(StringSource, default_value=source.module),
            "location_name": Field(StringSource, default_value=source.location_name),
            "watch": Field([str], default_value=[]),
            "max_running_runs": Field(IntSource, default_value=options.max_running_runs),
            "terminate_grace_seconds": Field(IntSource, default_value=options.terminate_grace_seconds),
            "idle_timeout_seconds": Field(IntSource, default_value=options.idle_timeout_seconds),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "WarmRunLauncher":
        options = {key: value for key, value in config_value.items() if key != "location_name"}
        options["watch"] = tuple(config_value["watch"])
        source = DefinitionsSource(config_value["definitions_module"], config_value["location_name"])
        return cls(ServerOptions(**options), source, inst_data)

    def start_server(self) -> WarmClient:
        """Have a server ready for this instance, and return a client of it.

        Raises:
            ToolUnavailable: it did not start in time.
        """
        paths = self._paths
        paths.make()
        description = serialize_value(self._instance.get_ref())
        if not paths.instance_ref.exists() or paths.instance_ref.read_text() != description:
            replace_text(paths.instance_ref, description)
        client = WarmClient(paths.home)
        client.ensure_server(self._options)
        return client

    def serve_what_waits(self) -> None:
        """Have a server where runs wait and none serves, because the last one was killed."""
        if not WarmClient(self._paths.home).is_served():
            records = RunRecords(self._paths.runs).all()
            if any(isinstance(record, Queued) for record in records):
                self.start_server()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand a run to the server. One that dies meanwhile is replaced: handing over twice is handing over once, and a
        run that can't be handed over is failed by Dagster for good, so nobody would ever run it.

        Raises:
            NotFound: the run belongs to other definitions than this launcher's.
            PipelineError: the server refuses: there is no such job, or the definitions can't be loaded.
            ToolUnavailable: no server answers, nor does one that was started for it.
        """
        run = context.dagster_run
        self._check_that_it_is_ours(run)
        if run.tags.get(WORKER_TAG) != WORKER_TAG_VALUE:
            self._instance.add_run_tags(run.run_id, {WORKER_TAG: WORKER_TAG_VALUE})
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._hand_over(run)
            except ToolUnavailable:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _hand_over(self, run: DagsterRun) -> None:
        client = self.start_server()
        client.launch(run.run_id, run.job_name, run.tags.get(QUEUE_TAG, ""), groups_of(run.tags))

    def terminate(self, run_id: str) -> bool:
        """End a run: its worker is asked to, and made to after the grace. Returns False when it has ended."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        outcome = self.start_server().terminate(run_id)
        if outcome != "signalled":
            run = self._instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                self._instance.report_run_canceled(run, "The run was cancelled; no worker was at work for it.")
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        match RunRecords(self._paths.runs).read(run.run_id):
            case Queued():
                return CheckRunHealthResult(WorkerStatus.RUNNING, "waits for a free place")
            case Running(worker=worker) if worker.is_alive():
                return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(worker.pid))
            case Running(worker=worker):
                return CheckRunHealthResult(
                    WorkerStatus.FAILED, f"its worker (pid {worker.pid}) is gone", run_worker_id=str(worker.pid)
                )
            case Ended(how=how, succeeded=succeeded):
                return CheckRunHealthResult(WorkerStatus.SUCCESS if succeeded else WorkerStatus.FAILED, how)
            case NoRecord(reason):
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, reason)

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """The end of what the run's worker wrote outside of its steps."""
        log = self._paths.run_log(run.run_id)
        if not log.exists():
            return None
        return log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")

    @property
    def _paths(self) -> WarmPaths:
        return WarmPaths(Path(self._instance.root_directory).resolve())

    def _check_that_it_is_ours(self, run: DagsterRun) -> None:
        origin = run.job_code_origin
        pointer = origin.repository_origin.code_pointer if origin else None
        if not isinstance(pointer, ModuleCodePointer) or pointer.module != self._source.module:
            raise NotFound(
                f"The job {run.job_name} is loaded from {pointer.describe() if pointer else 'nowhere'}, "
                f"but runs of this instance are executed by {self._source.module}.",
                "Serve it from workspace.yaml, or name its module as definitions_module in dagster.yaml.",
            )


def keep_serving(instance: DagsterInstance) -> None:
    """Have a server where runs wait for one. Whoever launches does so by itself; this is for when nobody does."""
    launcher = instance.run_launcher
    if isinstance(launcher, WarmRunLauncher):
        launcher.serve_what_waits()
