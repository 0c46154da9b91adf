"""Pods of steps on Kubernetes: what whoever makes them could do, whom they reach, and which runs make any."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.kubernetes.pipeline_pods import run_config
from shopkart_pipeline.adapters.kubernetes.pipeline_steps import modes, step_objects
from shopkart_pipeline.adapters.kubernetes.step_pod import step_pod_spec
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.run_pods import ACCOUNTS, RunKind
from shopkart_pipeline.domain.step_pods import DEFAULT_STEP_POD, StagePod, StepPodOrder, StepPodsMode, pod_for
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.fakes.local_step_pods import PLACE
from shopkart_pipeline_tests.pipeline_installation import IMAGE, objects

NAMESPACE, STEPS = "shopkart-pipeline", "shopkart-pipeline-steps"
ORDER = StepPodOrder("scan-1", DEFAULT_STEP_POD, 90.5, {"word": "w"})
POLICY = objects("NetworkPolicy")["shopkart-steps"]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load(SHIPPED_DECLARATION, home=Path("/var/lib/shopkart"))


def test_makers_of_steps_have_rights_where_nothing_is_that_a_pod_could_be_given() -> None:
    role, binding = objects("Role")["step-maker"], objects("RoleBinding")["step-maker"]
    assert (role["metadata"]["namespace"], binding["metadata"]["namespace"]) == (STEPS, STEPS)
    assert [each["name"] for each in binding["subjects"]] == [ACCOUNTS[RunKind.PULL_REQUESTS]]
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"pods", "pods/log"}
    kinds = ("ServiceAccount", "ConfigMap", "Secret", "ExternalSecret", "PersistentVolumeClaim", "Deployment")
    there = {(kind, name) for kind in kinds for name, each in objects(kind).items() if _place(each) == STEPS}
    assert there == {("ServiceAccount", "step")}
    bound = [subject for each in objects("RoleBinding").values() for subject in each["subjects"]]
    assert not [each for each in bound if each["namespace"] == STEPS]
    assert objects("Namespace")[STEPS]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def _place(each: dict[str, dict[str, str]]) -> str:
    return each["metadata"].get("namespace", "")


def test_a_step_connects_to_runs_alone_unless_more_is_declared(pipeline: Pipeline) -> None:
    [out] = POLICY["spec"]["egress"]
    assert out["ports"] == [{"port": 8650, "endPort": 8681, "protocol": "TCP"}]
    assert out["to"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    assert "ingress" not in POLICY["spec"]
    assert "Ingress" in POLICY["spec"]["policyTypes"]
    declared = replace(pipeline, step_pod=replace(pipeline.step_pod, egress=("packages.example",)))
    egress = step_objects(NAMESPACE, declared)[-1]["spec"]["egress"]
    assert [port["port"] for each in egress for port in each["ports"]] == [8650, 53, 53, 443]


def test_only_steps_come_to_a_run() -> None:
    policies = objects("NetworkPolicy")
    [come] = policies["shopkart-runs-pull-requests"]["spec"]["ingress"]
    assert come["from"][0]["podSelector"]["matchLabels"] == {"shopkart/run-kind": "steps"}
    assert policies["shopkart-runs-production"]["spec"]["ingress"] == []


def test_a_pod_of_a_step_has_nothing_of_the_pipelines() -> None:
    spec = step_pod_spec(PLACE, ORDER)
    [container] = spec["containers"]
    assert (container["image"], spec["serviceAccountName"]) == (IMAGE, "step")
    assert spec["automountServiceAccountToken"] is False
    assert "envFrom" not in container
    assert {next(iter(set(each) - {"name"})) for each in spec["volumes"]} == {"emptyDir"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert (spec["activeDeadlineSeconds"], spec["restartPolicy"]) == (91, "Never")
    assert "w" not in {each["value"] for each in container["env"]}


def test_kinds_of_runs_make_pods_where_a_stage_of_theirs_declares_one(pipeline: Pipeline) -> None:
    assert {kind for kind, mode in modes(pipeline).items() if mode is not StepPodsMode.NEVER} == {RunKind.PULL_REQUESTS}
    backend = pipeline.services["backend"]
    stages = tuple(replace(each, pod=StagePod()) if each.name == "unit_tests" else each for each in backend.stages)
    changed = replace(pipeline, services={**pipeline.services, "backend": replace(backend, stages=stages)})
    assert modes(changed)[RunKind.BUILDS] is StepPodsMode.DECLARED
    assert modes(changed)[RunKind.STAGING] is StepPodsMode.NEVER
    binding = next(each for each in step_objects(NAMESPACE, changed) if each["kind"] == "RoleBinding")
    assert [each["name"] for each in binding["subjects"]] == ["build", "pull-request"]
    config = run_config(RunKind.BUILDS, changed.run_pods[RunKind.BUILDS], StepPodsMode.DECLARED, NAMESPACE)
    assert config["pod_spec_config"]["automountServiceAccountToken"] is True


def test_a_stages_own_words_count_and_the_rest_is_as_usual() -> None:
    usual = replace(DEFAULT_STEP_POD, egress=("packages.example",), node_selector={"a": "b"})
    assert pod_for(usual, None) is usual
    assert pod_for(usual, StagePod(deadline_seconds=60.0)) == replace(usual, deadline_seconds=60.0)
