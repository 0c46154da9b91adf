"""Pods of runs: what is said of a kind, over what is shipped for it."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.pod import Resources
from shopkart_pipeline.domain.run_pods import DEFAULT_PODS, RunKind
from shopkart_pipeline.domain.step_pods import StagePod
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, one_fault_of, pipeline_of


def test_without_a_word_every_kind_has_what_is_shipped(tmp_path: Path) -> None:
    assert pipeline_of(tmp_path, SMALLEST).run_pods == DEFAULT_PODS
    assert set(DEFAULT_PODS) == set(RunKind)


def test_what_is_said_of_one_kind_is_said_of_it_alone(tmp_path: Path) -> None:
    said = "resources: {cpu: '4', memory_limit: 12Gi}, deadline: 40m, node_selector: {shopkart/pool: pipeline}"
    pods = pipeline_of(tmp_path, f"{SMALLEST}run_pods: {{builds: {{{said}}}}}\n").run_pods
    assert pods[RunKind.BUILDS].resources == Resources("4", "4Gi", "12Gi")
    assert pods[RunKind.BUILDS].deadline_seconds == 2400
    assert pods[RunKind.BUILDS].node_selector == {"shopkart/pool": "pipeline"}
    assert {kind: pod for kind, pod in pods.items() if kind is not RunKind.BUILDS} == {
        kind: pod for kind, pod in DEFAULT_PODS.items() if kind is not RunKind.BUILDS
    }


def test_a_stage_may_have_a_pod_of_its_own_and_steps_have_what_they_share(tmp_path: Path) -> None:
    stages = "{unit_tests: {pod: {resources: {memory: 8Gi}, deadline: 10m}}}"
    said = (
        f"{SMALLEST}defaults: {{stages: {stages}}}\nrun_pods: {{steps: {{egress: [packages.test], deadline: 20m}}}}\n"
    )
    pipeline = pipeline_of(tmp_path, said)
    assert (pipeline.step_pod.egress, pipeline.step_pod.deadline_seconds) == (("packages.test",), 1200)
    [service] = pipeline.services.values()
    assert service.stage("unit_tests").pod == StagePod(Resources("1", "8Gi", "8Gi"), 600)
    assert service.stage("lint").pod is None


@pytest.mark.parametrize(
    "said",
    [
        "defaults: {stages: {unit_tests: {pod: {resources: {memory: 8Gi, memory_limit: 4Gi}}}}}\n",
        "defaults: {stages: {secret_scan: {pod: {}}}}\n",
        "run_pods: {steps: {egress: ['10.0.0.1/8']}}\n",
    ],
)
def test_what_no_step_can_have_is_a_fault(tmp_path: Path, said: str) -> None:
    one_fault_of(tmp_path, SMALLEST + said)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("egress: ['10.0.0.1/8:5432']", "is not a network"),
        ("egress: ['10.0.0.0/8:99999']", "is no port"),
        ("resources: {memory: 64Gi}", "may not use 8Gi if it is to get 64Gi"),
        ("seccomp_profile: ../../etc/any.json", "is not the path of a seccomp profile"),
        ("node_selector: {'a b': c}", "is not the name of a node's label"),
    ],
)
def test_what_no_pod_can_have_is_a_fault(tmp_path: Path, said: str, told: str) -> None:
    assert told in str(one_fault_of(tmp_path, f"{SMALLEST}run_pods: {{pull_requests: {{{said}}}}}\n"))
