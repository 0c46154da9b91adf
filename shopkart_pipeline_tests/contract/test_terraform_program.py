"""What Terraform says without its providers, which no package registry has: that files are in its canonical form, and
how what it made itself drifted."""

import subprocess
from pathlib import Path

from shopkart_pipeline.adapters.terraform import Terraform
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.infrastructure import Difference, DriftedResource, InfrastructureState
from shopkart_pipeline_tests.contract.conftest import TERRAFORM_PROGRAM
from shopkart_pipeline_tests.terraform_tree import TERRAFORM


def test_every_file_is_in_canonical_form() -> None:
    assert TERRAFORM_PROGRAM
    command = [TERRAFORM_PROGRAM, "fmt", "-check", "-recursive", "-diff", "-no-color", str(TERRAFORM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


DECLARATION = 'resource "terraform_data" "one" {\n  input = "a"\n}\n'
"""A resource of Terraform's own, which needs no provider."""


def terraform(folder: Path, *arguments: str) -> None:
    assert TERRAFORM_PROGRAM
    subprocess.run([TERRAFORM_PROGRAM, *arguments], cwd=folder, capture_output=True, timeout=60, check=True)


def test_drift_is_found_where_the_declaration_or_what_runs_was_changed(tmp_path: Path) -> None:
    file, port = tmp_path / "main.tf", Terraform({}, program=TERRAFORM_PROGRAM)
    file.write_text(DECLARATION)
    terraform(tmp_path, "apply", "-auto-approve")
    assert port.compare(tmp_path) == InfrastructureState(tool(port.compare(tmp_path)), 1, ())

    file.write_text(DECLARATION.replace('"a"', '"b"'))
    found = port.compare(tmp_path)
    assert isinstance(found, InfrastructureState)
    assert found.drifted == (DriftedResource("terraform_data.one", Difference.NOT_APPLIED, "update"),)

    file.write_text(DECLARATION)
    terraform(tmp_path, "state", "rm", "terraform_data.one")
    found = port.compare(tmp_path)
    assert isinstance(found, InfrastructureState)
    assert found.drifted == (DriftedResource("terraform_data.one", Difference.NOT_APPLIED, "create"),)


def test_a_root_that_was_not_initialised_is_not_compared() -> None:
    found = Terraform({}, program=TERRAFORM_PROGRAM).compare(TERRAFORM / "staging")
    assert isinstance(found, EvidenceMissing)
    assert "initialization required" in found.reason


def tool(found: object) -> str:
    assert isinstance(found, InfrastructureState), found
    assert found.tool.startswith("Terraform 1.")
    return found.tool
