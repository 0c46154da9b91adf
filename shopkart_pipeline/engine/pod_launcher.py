"""The run launcher of a pipeline on Kubernetes: each run is a Job, and what its pod may do follows from its kind.

`dagster.yaml` names for every job of which kind it is, and for every kind what its pods are like; `shopkart
cluster-files` writes both from the declaration. Which kind a run is follows from its job and its release
(`kind_of_run`). Nothing of it comes from other tags: Dagster's own launcher takes the whole pod, its service account
too, from a tag that everybody can set who can launch a run.

A run of a kind that may not write into the bucket for outputs of steps keeps none of it there (`KEEPING_OUTPUTS`);
the reports of its stages are evidence like any other.
"""

import logging
from collections.abc import Mapping
from typing import Any

from dagster import DagsterRun, DagsterRunStatus, Field, Permissive

# Private: Dagster's commands for workers are made by its launchers alone.
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import (
    UserDefinedDagsterK8sConfig,
    get_job_name_from_run_id,  # pyright: ignore[reportUnknownVariableType]
)

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.run_pods import KEEPING_OUTPUTS, RunKind, kind_of_run

_NO_OUTPUT = ConfigurableClassData("dagster._core.storage.noop_compute_log_manager", "NoOpComputeLogManager", "{}\n")

_log = logging.getLogger(__name__)


class PodRunLauncher(K8sRunLauncher):
    """Launches each run as a Kubernetes Job with the rights of its kind."""

    def __init__(self, jobs: Mapping[str, str], kinds: Mapping[str, Mapping[str, Any]], **others: Any) -> None:
        missing = [kind.value for kind in RunKind if kind.value not in kinds]
        if missing:
            raise PipelineError(
                f"dagster.yaml says nothing about pods of {', '.join(missing)}.", "Call `shopkart cluster-files` again."
            )
        self._jobs = jobs
        self._contexts = {name: K8sContainerContext(run_k8s_config=_pod(kind)) for name, kind in kinds.items()}
        super().__init__(**others)  # pyright: ignore[reportUnknownMemberType]

    @classmethod
    def config_type(cls) -> dict[Any, Any]:
        """What `dagster.yaml` may say beyond what Dagster's own launcher takes."""
        return {
            **K8sRunLauncher.config_type(),
            "jobs": Field({str: str}, description="Kind of each job."),
            "kinds": Field({str: Permissive()}, description="Pods of each kind, as `run_k8s_config`."),
        }

    def kind_of(self, run: DagsterRun) -> RunKind:
        """What a run is."""
        return kind_of_run(self._jobs, run.job_name, run.tags.get(PARTITION_NAME_TAG))

    def get_container_context_for_run(self, dagster_run: DagsterRun) -> K8sContainerContext:
        own = K8sContainerContext.create_for_run(dagster_run, self, include_run_tags=False)
        return own.merge(self._contexts[self.kind_of(dagster_run).value])

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        origin = run.job_code_origin
        if origin is None:
            raise PipelineError(f"Run {run.run_id} does not say what it runs.", "Launch it from its job.")
        arguments = ExecuteRunArgs(
            job_origin=origin,
            run_id=run.run_id,
            instance_ref=self._instance_of(run),
            set_exit_code_on_failure=self._fail_pod_on_run_failure,
        ).get_command_args()
        self._launch_k8s_job_with_args(get_job_name_from_run_id(run.run_id), arguments, run)

    def terminate(self, run_id: str) -> bool:
        """End a run. One that still waits has no Job yet."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.status is not DagsterRunStatus.QUEUED:
            return bool(super().terminate(run_id))
        self._instance.report_run_canceling(run)
        self._instance.report_run_canceled(run, "The run was cancelled; it had not begun.")
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a run's pod is at work. Dagster ends the run of a pod of which this is unknown, and the pod works
        on; so a cluster that does not answer says nothing, and only a Job that is not there any more is a dead one."""
        found = super().check_run_worker_health(run)
        gone = f"Job {get_job_name_from_run_id(run.run_id)} could not be found"
        if found.status is not WorkerStatus.UNKNOWN or found.msg == gone:
            return found
        _log.warning("the Job of run %s can't be looked at: %s", run.run_id, found.msg)
        return CheckRunHealthResult(WorkerStatus.RUNNING, found.msg)

    def _instance_of(self, run: DagsterRun) -> InstanceRef:
        ref = self._instance.get_ref()
        return ref if self.kind_of(run) in KEEPING_OUTPUTS else ref._replace(compute_logs_data=_NO_OUTPUT)


def _pod(kind: Mapping[str, Any]) -> UserDefinedDagsterK8sConfig:
    return UserDefinedDagsterK8sConfig.from_dict({**kind})  # pyright: ignore[reportUnknownMemberType]
