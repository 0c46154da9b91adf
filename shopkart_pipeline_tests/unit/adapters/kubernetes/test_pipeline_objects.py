"""The pipeline's own installation: who has which rights, who reaches whom, and that it is up to date."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._cli.api import grpc_command

from shopkart_pipeline.adapters.kubernetes.pipeline_instance import instance_configuration
from shopkart_pipeline.adapters.kubernetes.pipeline_network import pipeline_policies
from shopkart_pipeline.domain.declaration import Concurrency
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.domain.run_pods import ACCOUNTS, SIGNING, RunKind, jobs_by_kind, kind_of_run
from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.spec.models.declaration import SchedulesSpec
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
    # The shipped declaration does not schedule all of them.
    assert {{"delivery_measures": "measure_delivery"}.get(name, name) for name in SchedulesSpec.model_fields} <= set(
        jobs_by_kind({})
    )


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


def test_only_the_daemon_makes_jobs_and_it_runs_no_code_of_the_declaration_and_has_no_secrets_of_it() -> None:
    makers = {
        name
        for name, role in objects("Role").items()
        if any("jobs" in each["resources"] and "create" in each["verbs"] for each in role["rules"])
    }
    bound = {
        subject["name"]
        for binding in objects("RoleBinding").values()
        if binding["roleRef"]["name"] in makers
        for subject in binding["subjects"]
    }
    assert bound == {PODS["shopkart-daemon"]["serviceAccountName"]} == {"daemon"}
    assert "daemon" not in ACCOUNTS.values()
    assert secrets_of(PODS["shopkart-daemon"]) == {"shopkart-storage"}
    reaching = {name for name, pod in PODS.items() if pod["automountServiceAccountToken"]}
    assert reaching == {"shopkart-daemon", "shopkart-webserver", "shopkart-code-server"}
    with_token = {
        kind for kind, each in LAUNCHER["kinds"].items() if each["pod_spec_config"]["automountServiceAccountToken"]
    }
    assert with_token == {"pull_requests"}


def test_pull_requests_are_without_secrets_of_the_pipeline_and_their_code_is_in_pods_of_its_own() -> None:
    kinds = LAUNCHER["kinds"]
    container = kinds["pull_requests"]["container_config"]
    assert {"name": "SHOPKART_STEP_PODS", "value": "proposed"} in container["env"]
    assert "SHOPKART_STEP_PODS" not in json.dumps([each for name, each in kinds.items() if name != "pull_requests"])
    assert {"secretRef": {"name": "shopkart-secrets"}} not in container["envFrom"]
    assert {"secretRef": {"name": "shopkart-secrets"}} in kinds["builds"]["container_config"]["envFrom"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert all(each["job_spec_config"]["activeDeadlineSeconds"] > 0 for each in kinds.values())


def test_pull_requests_connect_to_what_is_declared_and_not_to_the_agent_of_identities() -> None:
    policies = {
        name: json.dumps(each["spec"]["egress"])
        for name, each in objects("NetworkPolicy").items()
        if not name.endswith("shut")
    }
    untrusted_name = "shopkart-runs-pull-requests"
    untrusted = policies[untrusted_name]
    assert "10.0.0.0/8" in untrusted
    assert "0.0.0.0/0" not in untrusted
    assert "169.254.170.23" not in untrusted
    assert objects("NetworkPolicy")["shopkart-shut"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    others = {name: each for name, each in policies.items() if name not in ("shopkart-steps", untrusted_name)}
    assert all("169.254.169.254/32" in each for each in others.values())


def test_the_web_interfaces_are_reached_by_the_proxy_alone() -> None:
    for name in ("webserver", "auditors"):
        [come] = objects("NetworkPolicy")[f"shopkart-{name}"]["spec"]["ingress"]
        assert come["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "oauth2-proxy"}}}]


def test_nothing_keeps_anything_in_a_pod_and_everything_but_the_daemon_and_metrics_is_there_twice() -> None:
    replicas = {
        name.removeprefix("shopkart-"): each["spec"]["replicas"] for name, each in objects("Deployment").items()
    }
    assert {name for name, count in replicas.items() if count == 1} == {"daemon", "exporter"}
    assert set(objects("PodDisruptionBudget")) == {f"shopkart-{name}" for name, count in replicas.items() if count > 1}
    kinds = {name: each["pod_spec_config"] for name, each in LAUNCHER["kinds"].items()}
    for name, pod in {**PODS, **kinds}.items():
        assert "affinity" not in pod, name
        [home] = [each for each in pod["volumes"] if each["name"] == "home"]
        assert home["emptyDir"]["sizeLimit"], name
    assert not objects("PersistentVolumeClaim")
    assert "shopkart-home" not in files()["manifests.yaml"]


def secrets_of(described: dict[str, Any]) -> set[str]:
    """The secrets in a pod's or a container's environment."""
    containers = described.get("containers", [described])
    named = [each for container in containers for each in container.get("envFrom", [])]
    return {each["secretRef"]["name"] for each in named if "secretRef" in each}


def test_the_signer_is_reached_and_asked_by_reviewed_code_alone_and_its_key_is_its_own() -> None:
    containers = {name: each["container_config"] for name, each in LAUNCHER["kinds"].items()}
    callers = {name for name, each in containers.items() if "shopkart-signer-callers" in secrets_of(each)}
    assert callers == {"builds", "staging", "production", "maintenance"}
    asking = {name for name, each in containers.items() if "SHOPKART_SIGNER_ADDRESS" in json.dumps(each["env"])}
    assert asking == callers
    [come] = objects("NetworkPolicy")["shopkart-signer"]["spec"]["ingress"]
    labels = [each["podSelector"]["matchExpressions"][0] for each in come["from"]]
    assert [(each["key"], each["values"]) for each in labels] == [
        ("shopkart/run-kind", sorted(callers)),
        ("app.kubernetes.io/component", ["code-server"]),
    ]
    everybody = {name: secrets_of(pod) for name, pod in PODS.items()} | {
        name: secrets_of(each) for name, each in containers.items()
    }
    assert {name for name, each in everybody.items() if "shopkart-signer" in each} == {"shopkart-signer"}
    shared = objects("ExternalSecret")["shopkart-signer-callers"]["spec"]
    assert [each["secretKey"] for each in shared["data"]] == ["SHOPKART_SIGNER_TOKEN"]
    assert "dataFrom" not in shared


def test_a_kind_that_signs_reaches_the_signer_also_where_its_connections_are_declared() -> None:
    shipped = load(SHIPPED_DECLARATION, home=Path("/var/lib/shopkart"))
    narrow = {kind: replace(pod, egress=("10.0.0.0/8:5432",)) for kind, pod in shipped.run_pods.items()}
    policies = pipeline_policies("shopkart-pipeline", replace(shipped, run_pods=narrow))
    found = {each["metadata"]["name"]: json.dumps(each["spec"].get("egress")) for each in policies}
    reaching = {name for name, egress in found.items() if '"port": 3004' in egress}
    assert reaching == {f"shopkart-runs-{kind.label}" for kind in SIGNING}


def test_everybody_who_needs_definitions_asks_the_code_servers_and_nobody_else_can() -> None:
    workspace = yaml.safe_load(objects("ConfigMap")["shopkart-instance"]["data"]["workspace.yaml"])
    [location] = [each["grpc_server"] for each in workspace["load_from"]]
    # Runs that sensors ask for say this location, and so does the interface on one machine.
    assert location["location_name"] == DefinitionsSource().location_name
    service = objects("Service")[location["host"]]
    assert [each["port"] for each in service["spec"]["ports"]] == [location["port"]]
    for name in ("daemon", "webserver", "auditors"):
        [container] = PODS[f"shopkart-{name}"]["containers"]
        assert "/app/workspace.yaml" in " ".join(container["command"])
        assert "/app/workspace.yaml" in [each["mountPath"] for each in container["volumeMounts"]]
    [come] = objects("NetworkPolicy")["shopkart-code-server"]["spec"]["ingress"]
    assert come["from"][0]["podSelector"]["matchExpressions"][0]["values"] == ["auditors", "daemon", "webserver"]


def test_the_code_server_s_command_is_one_that_dagster_takes() -> None:
    [container] = PODS["shopkart-code-server"]["containers"]
    dagster, *words = container["command"]
    assert (dagster, words[:2]) == ("dagster", ["api", "grpc"])
    given = grpc_command.make_context("grpc", words[2:]).params
    assert given["module_name"] == DefinitionsSource().module
    assert given["location_name"] == DefinitionsSource().location_name
    # The same for both, and another one for every image: by it callers see that there is new code.
    assert given["fixed_server_id"] == "$(SHOPKART_IMAGE)"
    assert objects("ConfigMap")["shopkart-settings"]["data"]["SHOPKART_IMAGE"] == IMAGE
    assert container["livenessProbe"]["grpc"] == {"port": given["port"], "service": "DagsterApi"}


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
