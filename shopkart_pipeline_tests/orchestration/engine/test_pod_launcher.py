"""When a run in a pod counts as dead: when Kubernetes says so, not when it says nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.launcher import K8sRunLauncher
from kubernetes.client.rest import ApiException
from urllib3.exceptions import MaxRetryError

from shopkart_pipeline.engine.pod_launcher import PodRunLauncher

RUN = DagsterRun("backend_production", status=DagsterRunStatus.STARTED)


class Asked:
    """Kubernetes as Dagster's client shows it."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def get_job_status(self, *_: Any, **__: Any) -> Any:
        return self._answer()


def unreachable() -> Any:
    raise MaxRetryError(None, "/apis/batch/v1", None)  # type: ignore[arg-type]


def forbidden() -> Any:
    raise ApiException(403)


def missing() -> None:
    return None


def context(run: DagsterRun) -> K8sContainerContext:
    assert run is RUN
    return K8sContainerContext(namespace="runs")


@pytest.mark.parametrize(
    ("answer", "status"),
    [(unreachable, WorkerStatus.RUNNING), (forbidden, WorkerStatus.RUNNING), (missing, WorkerStatus.UNKNOWN)],
)
def test_only_a_run_without_a_job_is_dead(
    answer: Callable[[], Any], status: WorkerStatus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    launcher = object.__new__(PodRunLauncher)
    monkeypatch.setattr(launcher, "_api_client", Asked(answer), raising=False)
    monkeypatch.setattr(launcher, "get_container_context_for_run", context)
    monkeypatch.setattr(K8sRunLauncher, "supports_run_worker_crash_recovery", False)

    assert launcher.check_run_worker_health(RUN).status is status
    assert (RUN.run_id in caplog.text) is (status is WorkerStatus.RUNNING)
