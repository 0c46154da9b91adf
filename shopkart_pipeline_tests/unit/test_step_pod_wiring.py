"""Which tools work in pods of their own, as the environment of a run's pod says it, and how such a pod begins."""

import ctypes
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shopkart_pipeline.adapters.step_pod.builder import BuilderInPod
from shopkart_pipeline.adapters.step_pod.scanner import ScannerInPod
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.step_pods import DEFAULT_STEP_POD, StagePod, StepPodOrder
from shopkart_pipeline.engine import step
from shopkart_pipeline.engine.pod_state import Ended, Waiting, look
from shopkart_pipeline.engine.step_pods import with_pods
from shopkart_pipeline.ports.confinement import Confined
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform
from shopkart_pipeline_tests.fakes.local_step_pods import LocalStepPods
from shopkart_pipeline_tests.scan_requests import a_release

SAID = {
    "SHOPKART_STEP_NAMESPACE": "shopkart-pipeline-steps",
    "SHOPKART_IMAGE": "registry.example/p@sha256:" + "a" * 64,
    "SHOPKART_POD_ADDRESS": "10.0.0.7",
}
RELEASE = a_release()


def platform_of(home: Path, mode: str) -> Platform:
    variables = {"SHOPKART_HOME": str(home), "SHOPKART_RUNTIME": "process", "SHOPKART_STEP_PODS": mode, **SAID}
    return build_platform(from_environment(variables))


def elsewhere(platform: Platform) -> set[StageKind]:
    """Kinds of stages for which some tool works in another pod."""
    return {kind for kind, those in platform.scanners.items() if any(isinstance(each, ScannerInPod) for each in those)}


def test_of_what_nobody_has_reviewed_every_tool_that_runs_code_works_elsewhere(tmp_path: Path) -> None:
    platform = platform_of(tmp_path, "proposed")
    stage = platform.service("backend").stage("unit_tests")
    changed = with_pods(platform, LocalStepPods(), RELEASE, stage)
    for kind, those in changed.scanners.items():
        for each in those:
            assert isinstance(each, ScannerInPod) == each.runs_code, (kind, each.name)
    names = {kind: {each.name for each in those if each.runs_code} for kind, those in changed.scanners.items()}
    assert names[StageKind.UNIT_TESTS] == {"command"}
    assert names[StageKind.LINT] == {"ruff+eslint+hadolint", "command"}
    assert names[StageKind.SECRET_SCAN] == {"command"}
    assert isinstance(changed.application_builder, BuilderInPod)
    reasons = {each.name: each.unavailable() for each in changed.image_builders}
    assert "runs commands of the project" in str(reasons["buildah"])
    assert isinstance(platform.confinement(), Confined)


def test_elsewhere_a_stage_has_a_pod_if_it_says_so(tmp_path: Path) -> None:
    platform = platform_of(tmp_path, "declared")
    stage = platform.service("backend").stage("unit_tests")
    usual = with_pods(platform, LocalStepPods(), RELEASE, stage)
    assert not elsewhere(usual)
    assert usual.application_builder is platform.application_builder
    heavy = with_pods(platform, LocalStepPods(), RELEASE, replace(stage, pod=StagePod()))
    assert StageKind.UNIT_TESTS in elsewhere(heavy)


def test_without_a_word_everything_stays_here(tmp_path: Path) -> None:
    platform = platform_of(tmp_path, "")
    stage = replace(platform.service("backend").stage("unit_tests"), pod=StagePod())
    assert with_pods(platform, LocalStepPods(), RELEASE, stage) is platform


def test_half_of_a_word_is_refused() -> None:
    with pytest.raises(PipelineError, match="SHOPKART_POD_ADDRESS is not said"):
        from_environment({**SAID, "SHOPKART_POD_ADDRESS": "", "SHOPKART_STEP_PODS": "proposed"})
    with pytest.raises(PipelineError, match="is 'sometimes'"):
        from_environment({"SHOPKART_STEP_PODS": "sometimes"})


def test_nobody_else_can_look_into_the_entry() -> None:
    child = os.fork()
    if child == 0:
        step._close()  # pyright: ignore[reportPrivateUsage]
        os._exit(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_entry_that_nobody_tells_anything_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_close", "_stop"):
        monkeypatch.setattr(step, name, lambda *arguments: None)
    monkeypatch.setattr(step.signal, "signal", lambda *arguments: None)
    monkeypatch.delenv("DAGSTER_PIPES_CONTEXT", raising=False)
    assert step.main() == 1


def pod(phase: str, **status: Any) -> Any:
    usual = {"reason": None, "message": None, "container_statuses": None, "conditions": None}
    return SimpleNamespace(
        status=SimpleNamespace(phase=phase, **{**usual, **status}), metadata=SimpleNamespace(deletion_timestamp=None)
    )


def test_a_pod_without_a_node_waits_and_says_for_what() -> None:
    order = StepPodOrder("scan-1", DEFAULT_STEP_POD, 60.0, {})
    condition = SimpleNamespace(type="PodScheduled", status="False", message="0/3 nodes are available")
    assert look(pod("Pending", conditions=[condition]), order) == Waiting("no node takes it: 0/3 nodes are available")
    assert look(pod("Unknown"), order) == Waiting("it waits for its node")
    assert look(pod("Succeeded"), order) == Ended(None)
