"""What Terraform says without its providers, which no package registry has: that files are in its canonical form."""

import subprocess

from shopkart_pipeline_tests.contract.conftest import TERRAFORM_PROGRAM
from shopkart_pipeline_tests.terraform_tree import TERRAFORM


def test_every_file_is_in_canonical_form() -> None:
    assert TERRAFORM_PROGRAM
    command = [TERRAFORM_PROGRAM, "fmt", "-check", "-recursive", "-diff", "-no-color", str(TERRAFORM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
