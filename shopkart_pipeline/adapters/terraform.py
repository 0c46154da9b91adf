"""Terraform, asked how infrastructure differs from its declaration: a plan that is never applied.

It locks nothing, so it never stands in the way of whoever applies, and asks nobody for an input. Its arguments are
these alone: variables that would add others, such as a target, are not passed on. It runs none of a project's code, and
needs the way to AWS that this process has, so it is not confined.

Source: `terraform plan`, Terraform 1.11.
"""

from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._terraform_plan import CHANGED, FAILED, UNCHANGED, read_plan
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.infrastructure import InfrastructureState
from shopkart_pipeline.ports.infrastructure import Infrastructure

_ARGUMENTS = ("plan", "-detailed-exitcode", "-json", "-lock=false", "-input=false")
_TIMEOUT_SECONDS = 1800.0


class Terraform(Infrastructure):
    """The program of this machine.

    Args:
        variables: what it needs to reach AWS and its state, by name.
        timeout_seconds: how long a comparison may take.
        program: its path; None: it is looked for.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        timeout_seconds: float = _TIMEOUT_SECONDS,
        program: str | None = None,
    ) -> None:
        self._variables = variables
        self._timeout_seconds = timeout_seconds
        self._program = program

    def compare(self, root: Path) -> InfrastructureState | EvidenceMissing:
        program = self._program or find_executable("terraform")
        if program is None:
            return EvidenceMissing("terraform is not installed")
        if not any(root.glob("*.tf")):
            return EvidenceMissing(f"{root} holds no declaration of Terraform's")
        command = Command(
            (program, *_ARGUMENTS),
            root.absolute(),
            self._timeout_seconds,
            variables={"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", **self._variables},
            network=True,
            capture=True,
            confined=False,
        )
        try:
            done = run(command)
        except OSError as error:
            return EvidenceMissing(f"terraform can't be started: {error.strerror}")
        failure = done.failure("terraform", (UNCHANGED, FAILED, CHANGED))
        return EvidenceMissing(failure) if failure else read_plan(done.stdout, done.exit_code)
