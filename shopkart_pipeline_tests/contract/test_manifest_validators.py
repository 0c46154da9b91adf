"""Rendered manifests before other people's judges: Kubernetes' own schemas by kubernetes-validate, and checkov's rules.

Both are in an environment of their own that `.ci/run` makes from `.ci/validators.lock`. What checkov finds and stays is
explained here, and a finding that is no longer there has to go from the list.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.kubernetes.job import render_jobs
from shopkart_pipeline.adapters.kubernetes.manifests import render, surroundings, to_yaml, track_objects
from shopkart_pipeline.domain.job import JobSpec
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.rendered_manifests import PLACE, WORKLOADS

VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36")
CUSTOM_KINDS = {"ExternalSecret", "HTTPRoute"}
"""Their schemas come with their controllers, not with Kubernetes."""
EXPLAINED = {
    "CKV_K8S_11": "CPU limits slow requests down; requests protect the other pods of a node.",
    "CKV_K8S_35": "The applications' contract is environment variables, on every platform alike.",
}


@pytest.fixture(params=WORKLOADS)
def manifests(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Everything that a workload has while a canary is beside it and a migration runs, in one file."""
    spec = WORKLOADS[request.param]
    file = tmp_path / f"{request.param}.yaml"
    objects = [*render(PLACE, spec), *track_objects(PLACE, Track.CANARY, spec), *surroundings(PLACE, spec, 10)]
    objects += render_jobs(PLACE, [JobSpec("expand-0123456789", spec, ("python", "-m", "migrate"), 600.0)])
    unique = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    file.write_text(to_yaml(unique.values()), encoding="utf-8")
    return file


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_every_object_is_what_kubernetes_takes_from_1_32_to_1_36(manifests: Path) -> None:
    versions = [option for version in VERSIONS for option in ("-k", version)]
    done = _run("kubernetes-validate", "--strict", *versions, str(manifests))
    assert done.returncode == 0, done.stdout
    passed = re.findall(r"^INFO .* passed for resource (\S+) against version (\S+)$", done.stdout, re.MULTILINE)
    unknown = re.findall(r"Couldn't find schema for kind (\w+)", done.stdout)
    assert set(unknown) <= CUSTOM_KINDS
    assert {version for _, version in passed} == set(VERSIONS)
    assert len(passed) + len(unknown) == len(VERSIONS) * manifests.read_text().count("\nkind: ")
    assert {"deployment/backend", "deployment/backend-canary", "job/backend-expand-0123456789"} <= {
        resource for resource, _ in passed
    }


def test_a_misspelt_key_would_have_been_found(manifests: Path) -> None:
    text = manifests.read_text().replace("minReadySeconds", "minReadySecond")
    manifests.write_text(text)
    done = _run("kubernetes-validate", "--strict", "-k", VERSIONS[-1], str(manifests))
    assert done.returncode != 0
    assert "minReadySecond" in done.stdout + done.stderr


def test_checkov_finds_nothing_that_is_not_explained(manifests: Path) -> None:
    options = ("--framework", "kubernetes", "--skip-download", "--quiet", "--compact", "-o", "json")
    done = _run("checkov", "-f", str(manifests), *options)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 80
    found = {check["check_id"] for check in report["results"]["failed_checks"]}
    assert found == set(EXPLAINED), report["results"]["failed_checks"]
