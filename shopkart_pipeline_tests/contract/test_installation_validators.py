"""The pipeline's own installation before other people's judges, as in `test_manifest_validators`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shopkart_pipeline_tests.pipeline_installation import DEPLOYED, ROOT

MANIFESTS = str(DEPLOYED / "manifests.yaml")
VERSIONS = ("1.36",)
"""One is enough: it is plain kinds, and `test_manifest_validators` shows what changes between versions."""
EXPLAINED = {
    "CKV_K8S_9": "Nothing is sent to the daemon and the signer, so they need not say when they are ready.",
    "CKV_K8S_11": "CPU limits slow down; requests protect the other pods of a node.",
    "CKV_K8S_35": "Settings are environment variables, on every platform alike.",
    "CKV_K8S_38": "The daemon makes Jobs, and the web interface ends them.",
}


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_every_object_is_what_kubernetes_takes() -> None:
    versions = [option for version in VERSIONS for option in ("-k", version)]
    files = [DEPLOYED / "manifests.yaml", DEPLOYED / "migrate.yaml"]
    done = _run("kubernetes-validate", "--strict", *versions, *map(str, files))
    assert done.returncode == 0, done.stdout
    passed = re.findall(r"^INFO .* passed for resource (\S+) against version (\S+)$", done.stdout, re.MULTILINE)
    unknown = re.findall(r"Couldn't find schema for kind (\w+)", done.stdout)
    assert set(unknown) == {"ExternalSecret"}
    assert len(passed) + len(unknown) == len(VERSIONS) * sum(each.read_text().count("\nkind: ") for each in files)


@pytest.mark.thorough
def test_checkov_finds_nothing_that_is_not_explained() -> None:
    done = _run("checkov", "-f", MANIFESTS, "--framework", "kubernetes", "--skip-download", "--compact", "-o", "json")
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 400
    found = {check["check_id"] for check in report["results"]["failed_checks"]}
    assert found == set(EXPLAINED), report["results"]["failed_checks"]


def test_the_dockerfile_of_the_code_location_is_clean() -> None:
    done = _run(str(Path(sys.executable).with_name("hadolint")), str(ROOT / "deploy" / "image" / "Dockerfile"))
    assert done.returncode == 0, done.stdout
