"""`deploy/terraform` before other people's judges: Terraform's own form, and checkov's rules.

checkov is in an environment of its own that `.ci/run` makes. What it finds and stays is explained where it is found
(`#checkov:skip=ID: reason`), so anything that it still reports is new. The composition and the roots hold no resource.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline_tests.contract.conftest import CHECKOV
from shopkart_pipeline_tests.terraform_tree import MODULES, TERRAFORM, code

LEAST_PASSED = 200
"""Fewer rules than these would mean that modules were not looked at."""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    options = ("--framework", "terraform", "--skip-download", "--compact", "-o", "json")
    assert CHECKOV
    command = (CHECKOV, "-d", str(TERRAFORM / "modules"), "--skip-path", "environment", *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return json.loads(done.stdout)


def test_checkov_finds_nothing_that_is_not_explained(report: dict[str, Any]) -> None:
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > LEAST_PASSED
    failed = {(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]}
    assert failed == set()


def test_every_exception_has_a_reason_and_is_one(report: dict[str, Any]) -> None:
    skipped = {check["check_id"] for check in report["results"]["skipped_checks"]}
    written: set[str] = set()
    for folder in MODULES:
        for file in folder.glob("*.tf"):
            for check, reason in re.findall(r"#checkov:skip=(\w+):?(.*)", file.read_text()):
                assert len(reason.strip()) > 20, f"{file}: {check}"
                written.add(check)
    assert skipped == written


def test_checkov_looks_into_every_module(report: dict[str, Any]) -> None:
    seen = " ".join(check["file_path"] for kind in report["results"].values() for check in kind)
    with_resources = {folder.name for folder in MODULES if 'resource "' in code(folder)}
    assert {name for name in with_resources if f"/{name}/" in seen} == with_resources


def test_every_action_in_a_policy_is_one_that_aws_has() -> None:
    """By policy_sentry's copy of the Service Authorization Reference, which comes with checkov."""
    assert CHECKOV
    named = sorted({action for file in TERRAFORM.glob("modules/*/policies/*.json") for action in _actions(file)})
    assert len(named) > 100
    given = json.dumps([*named, "s3:PutObjects"])
    command = [str(Path(CHECKOV).with_name("python")), "-c", _ASKED]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == ["s3:PutObjects"]


_ASKED = """
import json, sys
from policy_sentry.querying.actions import get_action_data
print(json.dumps([each for each in json.load(sys.stdin) if not get_action_data(*each.split(":"))]))
"""


def _actions(file: Path) -> list[str]:
    statements = json.loads(file.read_text()).get("Statement", [])
    lists = [[each["Action"]] if isinstance(each["Action"], str) else each["Action"] for each in statements]
    return [action for actions in lists for action in actions if "*" not in action]
