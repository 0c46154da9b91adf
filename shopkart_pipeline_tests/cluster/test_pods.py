"""Pods of the pipeline itself on a cluster: runs by the pipeline's launcher, and pods of steps.

The cluster's images hold Python and nothing of the pipeline. So a step's pod fails, and that has to be told; with an
image of the pipeline, and an address of this machine that pods reach, it goes the full way.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun
from dagster._core.code_pointer import CodePointer
from dagster._core.launcher.base import WorkerStatus
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin

from shopkart_pipeline.adapters.kubernetes.kinds import CONFIG_MAP, JOB, POD
from shopkart_pipeline.adapters.kubernetes.step_pod import ACCOUNT
from shopkart_pipeline.domain.pod import Resources
from shopkart_pipeline.domain.run_pods import RunPod
from shopkart_pipeline.domain.step_pods import StepPodOrder, StepPodPlace, StepPodsMode
from shopkart_pipeline.engine.pipes_pods import PipesStepPods
from shopkart_pipeline_tests.cluster.beds import Bed, EmulatedBed
from shopkart_pipeline_tests.contract.step_contexts import kubernetes_default_kept, step_context
from shopkart_pipeline_tests.fakes.kubernetes_server import Behaviour
from shopkart_pipeline_tests.pipeline_installation import files
from shopkart_pipeline_tests.step_lint import found_by_lint

IMAGE, ADDRESS = "SHOPKART_TEST_PIPELINE_IMAGE", "SHOPKART_TEST_ADDRESS"
SMALL = RunPod(Resources("50m", "64Mi", "512Mi"), 300.0, egress=())
WORKS = ("python", "-c", "import time; time.sleep(600)")
FAILS = ("python", "-c", "raise SystemExit('no shelf is left')")


def labels_of(bed: Bed, name: str) -> dict[str, str]:
    """By which what a killed run left is found."""
    told = {"managed-by": "shopkart", "instance": bed.environment, "name": name}
    return {f"app.kubernetes.io/{key}": value for key, value in told.items()}


def pod_config(bed: Bed, command: tuple[str, ...]) -> dict[str, Any]:
    """A run's pod as the installation has it, without what is in the pipeline's own namespace alone."""
    launcher = yaml.safe_load(files()["dagster.yaml"])["run_launcher"]["config"]
    kind = launcher["kinds"]["pull_requests"]
    resources = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    container = {"securityContext": kind["container_config"]["securityContext"], "resources": resources}
    labels = {"labels": labels_of(bed, "run")}
    return {
        "container_config": {**container, "command": list(command)},
        "pod_template_spec_metadata": labels,
        "job_metadata": labels,
        "pod_spec_config": {
            "securityContext": kind["pod_spec_config"]["securityContext"],
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
        },
        "job_spec_config": {"backoffLimit": 0, "activeDeadlineSeconds": 300},
    }


@contextmanager
def launching(bed: Bed, folder: Path, command: tuple[str, ...]) -> Generator[DagsterInstance]:
    """An instance that launches runs on the cluster."""
    launcher = yaml.safe_load(files()["dagster.yaml"])["run_launcher"]
    launcher["config"] |= {
        "job_namespace": bed.namespace,
        "job_image": bed.image(),
        "load_incluster_config": False,
        "kubeconfig_file": bed.kubeconfig,
        "instance_config_map": f"{bed.environment}-instance",
        "kinds": dict.fromkeys(launcher["config"]["kinds"], pod_config(bed, command)),
    }
    if bed.api.get(CONFIG_MAP, bed.namespace, launcher["config"]["instance_config_map"]) is None:
        about = {"name": launcher["config"]["instance_config_map"], "labels": labels_of(bed, "instance")}
        bed.api.create(
            CONFIG_MAP,
            bed.namespace,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"dagster.yaml": ""}},
        )
    with kubernetes_default_kept(), DagsterInstance.local_temp(str(folder), {"run_launcher": launcher}) as instance:
        yield instance


def launched(instance: DagsterInstance) -> DagsterRun:
    pointer = CodePointer.from_module("shopkart_pipeline.definitions", "defs", "/app")
    repository = RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
    origin = JobPythonOrigin("backend_ci", repository)
    run = instance.run_storage.add_run(DagsterRun("backend_ci", str(uuid4()), job_code_origin=origin))
    instance.launch_run(run.run_id, workspace=None)  # pyright: ignore[reportArgumentType]
    return run


@pytest.fixture(autouse=True)
def account(bed: Bed) -> None:
    """The one that pods of steps have, and nobody has given rights to."""
    about = {"name": ACCOUNT, "namespace": bed.namespace, "labels": labels_of(bed, "step")}
    bed.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about})


def pods_of(bed: Bed, run: DagsterRun) -> list[dict[str, Any]]:
    return bed.api.list(POD, bed.namespace, f"dagster/run-id={run.run_id}")


@pytest.mark.thorough
def test_a_run_is_a_job_that_is_watched_and_ended_with_its_pod(bed: Bed, tmp_path: Path) -> None:
    with launching(bed, tmp_path, WORKS) as instance:
        run, launcher = launched(instance), instance.run_launcher
        bed.until(lambda: [pod["status"].get("phase") for pod in pods_of(bed, run)] == ["Running"], "a run's pod")
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        launcher.terminate(run.run_id)
        bed.until(lambda: pods_of(bed, run) == [], "the end of a run's pod")
        assert bed.api.list(JOB, bed.namespace, f"dagster/run-id={run.run_id}") == []


@pytest.mark.thorough
def test_a_run_whose_container_fails_is_told_as_failed(bed: Bed, tmp_path: Path) -> None:
    if isinstance(bed, EmulatedBed):
        bed.world.behave(Behaviour(exit_code=1, log="no shelf is left\n"), command="no shelf is left")
    with launching(bed, tmp_path, FAILS) as instance:
        run, launcher = launched(instance), instance.run_launcher
        bed.until(lambda: launcher.check_run_worker_health(run).status is WorkerStatus.FAILED, "a failure")
        assert "no shelf is left" in str(launcher.get_run_worker_debug_info(run))
        assert launcher.terminate(run.run_id)


def test_a_steps_pod_that_fails_is_told_by_its_exit_code_and_its_words_and_is_gone(bed: Bed, tmp_path: Path) -> None:
    said = "No module named"
    if isinstance(bed, EmulatedBed):
        bed.world.behave(Behaviour(exit_code=1, log=f"python: {said} shopkart_pipeline\n"), command="engine.step")
    place = StepPodPlace(StepPodsMode.PROPOSED, bed.namespace, bed.image(), "127.0.0.1")
    step = f"check-{uuid4().hex[:12]}"
    with step_context() as context, kubernetes_default_kept():
        pods = PipesStepPods(context, place, kubeconfig=bed.kubeconfig, start_seconds=bed.patience_seconds)
        reason = pods.run(StepPodOrder(step, SMALL, 120.0, {"word": "sesame"}), tmp_path / "log")
    assert reason == "it ended with exit code 1; the stage's log says why"
    assert said in (tmp_path / "log").read_text()
    bed.until(lambda: bed.api.list(POD, bed.namespace, f"shopkart/step={step}") == [], "the end of a step's pod")


@pytest.mark.thorough
def test_a_step_goes_the_full_way(bed: Bed, tmp_path: Path, left_out: Any) -> None:
    image, address = os.environ.get(IMAGE), os.environ.get(ADDRESS)
    if not image or not address or isinstance(bed, EmulatedBed):
        reason = f"the full way of a step, because {IMAGE} and {ADDRESS} are not both given"
        left_out(reason)
        pytest.skip(reason)
    place = StepPodPlace(StepPodsMode.PROPOSED, bed.namespace, image, address)
    with step_context() as context, kubernetes_default_kept():
        pods = PipesStepPods(context, place, kubeconfig=bed.kubeconfig, start_seconds=bed.patience_seconds)
        assert "F401" in found_by_lint(pods, place, tmp_path)
