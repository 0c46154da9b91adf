"""The pipeline's Helm chart, rendered by Helm itself: its own values give the objects of the plain manifests."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters.kubernetes.pipeline_objects import render_installation
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline_tests.contract.helm import Asked, ask_helm, helm_python
from shopkart_pipeline_tests.pipeline_installation import CHART, INSTALLATION, files, pipeline

Objects = dict[tuple[str, str], dict[str, Any]]
OTHER = replace(
    INSTALLATION,
    image=f"other.example/pipeline@sha256:{'b' * 64}",
    compute_logs_bucket="20260101",
    region="us-east-1",
    namespace="elsewhere",
    secret_store="vault",
    secret_prefix="teams/shop",
    signer_uri="awskms:alias/shopkart-signing",
)
"""An installation of somebody else; a bucket's name may look like a number."""
OTHER_VALUES = {
    "image": {"repository": "other.example/pipeline", "digest": f"sha256:{'b' * 64}"},
    "computeLogManager": {"config": {"s3ComputeLogManager": {"bucket": "20260101", "region": "us-east-1"}}},
    "externalSecrets": {"secretStore": "vault", "prefix": "teams/shop"},
    "signer": {"uri": "awskms:alias/shopkart-signing"},
}
SIZES = {
    "dagsterWebserver": {
        "replicaCount": 3,
        "resources": {"requests": {"cpu": "1"}},
        "nodeSelector": {"shopkart/pool": "pipeline"},
        "tolerations": [{"key": "shopkart/pool", "operator": "Exists"}],
        "annotations": {"example.com/contact": "platform {{ team }}"},
    },
    "serviceAccount": {"annotations": {"example.com/owner": "platform"}},
    "runLauncher": {"config": {"k8sRunLauncher": {"runK8sConfig": {"jobSpecConfig": {"ttlSecondsAfterFinished": 60}}}}},
    "dagsterDaemon": {"runMonitoring": {"startTimeoutSeconds": 1200}},
    "postgresql": {"postgresqlHost": "db.example", "postgresqlParams": {"sslmode": "verify-full"}},
    "retention": {"sensor": {"purgeAfterDays": {"skipped": 3}}},
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another security context": ({"dagsterDaemon": {"securityContext": {"privileged": True}}}, "securityContext"),
    "labels, by which network policies go": ({"dagsterWebserver": {"labels": {"a": "b"}}}, "labels"),
    "a second daemon": ({"dagsterDaemon": {"replicaCount": 2}}, "replicaCount"),
    "a larger queue": (
        {"dagsterDaemon": {"runCoordinator": {"config": {"queuedRunCoordinator": {"maxConcurrentRuns": 99}}}}},
        "maxConcurrentRuns",
    ),
    "a tag": ({"image": {"tag": "latest"}}, "tag"),
    "no digest": ({"image": {"digest": "latest"}}, "digest"),
    "a role by annotation": (
        {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}}},
        "role-arn",
    ),
    "the fingerprint": ({"receiver": {"annotations": {"shopkart/instance": "same"}}}, "shopkart/instance"),
    "an unknown part": ({"dagit": {"replicaCount": 1}}, "dagit"),
    "a template in a value": ({"externalSecrets": {"prefix": "x\n  evil: true"}}, "prefix"),
    "nothing in place of a number": ({"dagsterWebserver": {"replicaCount": None}}, "replicaCount"),
}
NUMBER = Asked({}, namespace="2026")


def objects_of(texts: list[str]) -> Objects:
    found = [each for text in texts for each in yaml.load_all(text, yaml.CSafeLoader) if each]
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(by_name) == len(found)
    return by_name


def plain(installation: Installation, installation_files: dict[str, str]) -> Objects:
    """All but the namespace that has to be there before."""
    found = objects_of([installation_files["manifests.yaml"]])
    del found["Namespace", installation.namespace]
    return found


@pytest.fixture(scope="module")
def helm() -> dict[str, Any]:
    python = helm_python()
    assert python is not None
    asked = [
        Asked({}),
        Asked(OTHER_VALUES, namespace="elsewhere"),
        Asked(SIZES, upgrade=True),
        Asked({"migrate": {"enabled": True}}, upgrade=True),
        NUMBER,
        *[Asked(values) for values, _ in REFUSED.values()],
    ]
    return ask_helm(python, CHART, asked)


def rendered(helm: dict[str, Any], index: int) -> Objects:
    found = helm["answers"][index]["files"].items()
    return objects_of([text for name, text in found if not name.endswith("NOTES.txt")])


def test_its_own_values_give_the_very_objects_of_the_plain_manifests(helm: dict[str, Any]) -> None:
    assert rendered(helm, 0) == plain(INSTALLATION, files())


def test_values_of_somebody_else_give_what_is_generated_for_them(helm: dict[str, Any]) -> None:
    assert rendered(helm, 1) == plain(OTHER, render_installation(pipeline(), OTHER))


def test_helm_finds_nothing_wrong_with_it(helm: dict[str, Any]) -> None:
    assert helm["version"].startswith("v4.")
    assert helm["lint"]["total_charts_linted"] == 1
    assert [each for each in helm["lint"]["messages"] if each["error"] != "icon is recommended"] == []
    assert helm["lint"]["errors"] == []


def test_sizes_places_and_times_are_as_values_say_and_nothing_else_changes(helm: dict[str, Any]) -> None:
    before, after = rendered(helm, 0), rendered(helm, 2)
    deployment = after["Deployment", "shopkart-webserver"]["spec"]
    pod = deployment["template"]["spec"]
    assert deployment["replicas"] == 3
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert pod["nodeSelector"] == {"shopkart/pool": "pipeline"}
    assert pod["tolerations"] == [{"key": "shopkart/pool", "operator": "Exists"}]
    assert deployment["template"]["metadata"]["annotations"]["example.com/contact"] == "platform {{ team }}"
    assert after["ServiceAccount", "build"]["metadata"]["annotations"] == {"example.com/owner": "platform"}
    configured = yaml.safe_load(after["ConfigMap", "shopkart-instance"]["data"]["dagster.yaml"])
    assert configured["run_launcher"]["config"]["run_k8s_config"]["job_spec_config"]["ttlSecondsAfterFinished"] == 60
    assert configured["run_monitoring"]["start_timeout_seconds"] == 1200
    database = configured["storage"]["custom"]["config"]["postgres_db"]
    assert (database["hostname"], database["params"]) == ("db.example", {"sslmode": "verify-full"})
    assert database["password"] == {"env": "SHOPKART_DAGSTER_DB_PASSWORD"}
    assert configured["retention"]["sensor"]["purge_after_days"]["skipped"] == 3
    same = {"Role", "RoleBinding", "NetworkPolicy", "ExternalSecret", "Service", "PodDisruptionBudget"}
    assert {name: each for name, each in after.items() if name[0] in same} == {
        name: each for name, each in before.items() if name[0] in same
    }


def test_every_pod_is_made_anew_when_what_it_is_told_changes(helm: dict[str, Any]) -> None:
    told = [
        {
            name: each["spec"]["template"]["metadata"]["annotations"]["shopkart/instance"]
            for name, each in rendered(helm, index).items()
            if name[0] == "Deployment"
        }
        for index in (0, 1, 2)
    ]
    assert all(len(set(each.values())) == 1 for each in told)
    assert len({next(iter(each.values())) for each in told}) == 3


def test_a_migration_is_a_job_before_the_upgrade_and_only_where_it_is_wanted(helm: dict[str, Any]) -> None:
    assert not [name for name in rendered(helm, 0) if name[0] == "Job"]
    job = rendered(helm, 3)["Job", "shopkart-migrate"]
    assert job["metadata"].pop("annotations") == {
        "helm.sh/hook": "pre-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    [same] = yaml.safe_load_all(files()["migrate.yaml"])
    assert job == same


def test_what_is_told_at_the_end_knows_the_namespace_and_a_migration_left_away(helm: dict[str, Any]) -> None:
    notes = [answer["files"]["shopkart-pipeline/templates/NOTES.txt"] for answer in helm["answers"][:4]]
    assert "service accounts of the namespace" not in notes[0]
    assert "those of elsewhere" in notes[1]
    assert ["migrate.enabled=true" in each for each in notes] == [False, False, True, False]
    assert INSTALLATION.image in notes[0]


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_declaration_decides_is_no_value(helm: dict[str, Any], what: str) -> None:
    answer = helm["answers"][5 + list(REFUSED).index(what)]
    assert REFUSED[what][1] in answer["refused"]


def test_a_namespace_that_would_be_read_as_a_number_is_refused(helm: dict[str, Any]) -> None:
    assert "begins with a digit" in helm["answers"][4]["refused"]


@pytest.mark.thorough
def test_what_it_gives_is_what_kubernetes_takes(helm: dict[str, Any], tmp_path: Path) -> None:
    """With values of one's own: with its own it gives what `test_installation_validators` has judged."""
    written = tmp_path / "rendered.yaml"
    documents = [*rendered(helm, 2).values()]
    written.write_text(yaml.safe_dump_all(documents))
    done = subprocess.run(
        ["kubernetes-validate", "--strict", "-k", "1.36", str(written)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    passed = re.findall(r" passed for resource \S+ against version", done.stdout)
    assert set(re.findall(r"Couldn't find schema for kind (\w+)", done.stdout)) == {"ExternalSecret"}
    assert len(passed) == sum(each["kind"] != "ExternalSecret" for each in documents)
