"""The pipeline's own installation: who has which rights, who reaches whom, and that it is up to date."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters.kubernetes.pipeline_instance import instance_configuration
from shopkart_pipeline.domain.declaration import Concurrency
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.domain.run_pods import ACCOUNTS, RunKind, jobs_by_kind, kind_of_run
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.pipeline_installation import DEPLOYED, IMAGE, INSTALLATION, WRITE, files, objects

ROOT = Path(__file__).resolve().parents[4]
GRAPH = ROOT / "shopkart_pipeline_tests" / "orchestration" / "asset_graph.json"
PODS = {name: each["spec"]["template"]["spec"] for name, each in objects("Deployment").items()}
LAUNCHER: dict[str, Any] = yaml.safe_load(files()["dagster.yaml"])["run_launcher"]["config"]


def test_what_is_committed_is_what_the_shipped_declaration_gives() -> None:
    committed = {path.name: path.read_text() for path in DEPLOYED.iterdir()}
    assert committed.pop("generated.txt").splitlines() == sorted(files())
    assert committed == files(), f"run `{WRITE}`"


def test_every_job_that_there_is_is_of_a_known_kind() -> None:
    jobs = json.loads(GRAPH.read_text())["jobs"]
    assert set(jobs) <= set(jobs_by_kind({"backend": None, "frontend": None}))


def test_whatever_is_not_clearly_something_else_has_the_rights_of_a_pull_request() -> None:
    jobs = jobs_by_kind({"web-shop": None})
    assert kind_of_run(jobs, "web_shop_ci", "20260101-101010-aaaaaaaaaaaa") is RunKind.BUILDS
    assert kind_of_run(jobs, "web_shop_rollback", None) is RunKind.PRODUCTION
    for job, key in {
        "web_shop_ci": "pr-000007-aaaaaaaaaaaa",
        "__ASSET_JOB": "20260101-101010-aaaaaaaaaaaa",
        "other_production": "20260101-101010-aaaaaaaaaaaa",
    }.items():
        assert kind_of_run(jobs, job, key) is RunKind.PULL_REQUESTS
    assert kind_of_run(jobs, "web_shop_ci", "mg-aaaaaaaaaaaa") is RunKind.PULL_REQUESTS
    assert kind_of_run(jobs, "web_shop_ci", None) is RunKind.PULL_REQUESTS


def test_accounts_of_runs_are_those_that_terraform_gives_a_role_and_pull_requests_have_none() -> None:
    roles = {path.stem for path in (ROOT / "deploy/terraform/modules/iam/policies").iterdir()}
    with_role = {name for kind, name in ACCOUNTS.items() if kind is not RunKind.PULL_REQUESTS}
    assert with_role <= roles | {"deploy-staging", "deploy-production"}
    assert ACCOUNTS[RunKind.PULL_REQUESTS] not in roles
    assert set(ACCOUNTS.values()) <= set(objects("ServiceAccount"))


def test_only_the_daemon_makes_jobs_and_only_it_and_the_web_interface_reach_the_api() -> None:
    makers = {
        name for name, role in objects("Role").items() if any("create" in each["verbs"] for each in role["rules"])
    }
    bound = {
        subject["name"]
        for binding in objects("RoleBinding").values()
        if binding["roleRef"]["name"] in makers
        for subject in binding["subjects"]
    }
    assert bound == {PODS["shopkart-daemon"]["serviceAccountName"]} == {"control"}
    reaching = {name for name, pod in PODS.items() if pod["automountServiceAccountToken"]}
    assert reaching == {"shopkart-daemon", "shopkart-webserver"}
    assert {each["pod_spec_config"]["automountServiceAccountToken"] for each in LAUNCHER["kinds"].values()} == {False}


def test_pull_requests_are_without_secrets_of_the_pipeline_and_confined_or_not_run() -> None:
    kinds = LAUNCHER["kinds"]
    container = kinds["pull_requests"]["container_config"]
    assert {"name": "SHOPKART_CONFINEMENT", "value": "required"} in container["env"]
    assert {"secretRef": {"name": "shopkart-secrets"}} not in container["envFrom"]
    assert {"secretRef": {"name": "shopkart-secrets"}} in kinds["builds"]["container_config"]["envFrom"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert all(each["job_spec_config"]["activeDeadlineSeconds"] > 0 for each in kinds.values())


def test_pull_requests_connect_to_what_is_declared_and_not_to_the_agent_of_identities() -> None:
    policies = {
        name: json.dumps(each["spec"]["egress"])
        for name, each in objects("NetworkPolicy").items()
        if name != "shopkart-shut"
    }
    untrusted = policies["shopkart-runs-pull-requests"]
    assert "10.0.0.0/8" in untrusted
    assert "0.0.0.0/0" not in untrusted
    assert "169.254.170.23" not in untrusted
    assert objects("NetworkPolicy")["shopkart-shut"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert all("169.254.169.254/32" in each for name, each in policies.items() if name != "shopkart-runs-pull-requests")


def test_the_web_interfaces_are_reached_by_the_proxy_alone() -> None:
    for name in ("webserver", "auditors"):
        [come] = objects("NetworkPolicy")[f"shopkart-{name}"]["spec"]["ingress"]
        assert come["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "oauth2-proxy"}}}]


def test_what_keeps_nothing_is_there_twice_and_the_rest_once_beside_the_home() -> None:
    replicas = {
        name.removeprefix("shopkart-"): each["spec"]["replicas"] for name, each in objects("Deployment").items()
    }
    assert {name for name, count in replicas.items() if count == 2} == {"webserver", "auditors", "receiver"}
    assert set(objects("PodDisruptionBudget")) == {f"shopkart-{name}" for name, count in replicas.items() if count > 1}
    for name, count in replicas.items():
        has_home = any("persistentVolumeClaim" in volume for volume in PODS[f"shopkart-{name}"]["volumes"])
        assert has_home == (count == 1)


def test_limits_by_service_and_environment_are_limits_of_the_queue() -> None:
    shipped = load(SHIPPED_DECLARATION, home=Path("/var/lib/shopkart"))
    limited = replace(shipped, concurrency=Concurrency(per_service=2, environments={"production": 1}))
    limits = instance_configuration(limited, INSTALLATION)["run_coordinator"]["config"]["tag_concurrency_limits"]
    assert {"key": "shopkart/counted_environment", "value": "production", "limit": 1} in limits
    assert {"key": "shopkart/counted_service", "value": {"applyLimitPerUniqueValue": True}, "limit": 2} in limits


def test_no_secret_is_written_anywhere() -> None:
    database = yaml.safe_load(files()["dagster.yaml"])["storage"]["custom"]["config"]["postgres_db"]
    assert database["password"] == {"env": "SHOPKART_DAGSTER_DB_PASSWORD"}
    assert not objects("Secret")


@pytest.mark.parametrize("image", ["shopkart-pipeline:latest", "shopkart-pipeline", IMAGE.upper(), f"{IMAGE}\nx: y"])
def test_an_image_that_could_change_is_refused(image: str) -> None:
    with pytest.raises(PipelineError, match="is no image by digest"):
        Installation(image, "logs", "eu-central-1")
