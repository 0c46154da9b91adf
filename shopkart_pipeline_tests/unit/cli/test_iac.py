"""`shopkart iac`: drift has an exit code, and what was not compared is no green."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from shopkart_pipeline.cli.iac import show_drift
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.infrastructure import Difference, DriftedResource, InfrastructureState
from shopkart_pipeline.ports.infrastructure import Infrastructure
from shopkart_pipeline.settings import terraform_variables

GOOD = InfrastructureState("Terraform 1.11.4", 120, ())
BAD = InfrastructureState(
    "Terraform 1.11.4", 120, (DriftedResource("module.rds.aws_db_instance.this", Difference.CHANGED_BY_HAND, "update"),)
)
MISSING = EvidenceMissing("terraform is not installed")


class Answers(Infrastructure):
    """Answers as it was told, by the folder's name."""

    def __init__(self, answers: Mapping[str, InfrastructureState | EvidenceMissing]) -> None:
        self._answers = answers

    def compare(self, root: Path) -> InfrastructureState | EvidenceMissing:
        return self._answers[root.name]


def shown(**answers: InfrastructureState | EvidenceMissing) -> tuple[int, str]:
    console = Console(file=StringIO(), width=200)
    code = show_drift(Answers(answers), [Path(name) for name in answers], console)
    assert isinstance(console.file, StringIO)
    return code, console.file.getvalue()


def test_all_as_declared_is_zero_and_says_who_looked_at_how_many() -> None:
    code, text = shown(production=GOOD, staging=GOOD)
    assert code == 0
    assert text.count("as declared, 120 resources looked at by Terraform 1.11.4") == 2


@pytest.mark.parametrize("other", [BAD, MISSING])
def test_one_root_that_drifted_or_was_not_compared_is_one(other: InfrastructureState | EvidenceMissing) -> None:
    for answers in ({"production": GOOD, "staging": other}, {"production": other, "staging": GOOD}):
        code, text = shown(**answers)
        assert code == 1
        assert "as declared" in text


def test_each_drifted_resource_is_a_line() -> None:
    _, text = shown(production=BAD)
    assert "1 drifted" in text
    assert "module.rds.aws_db_instance.this  changed by hand  update" in " ".join(text.split(" ")).replace("   ", "  ")


def test_what_was_not_compared_has_a_reason_and_a_way_out() -> None:
    _, text = shown(production=MISSING)
    assert "not compared: terraform is not installed" in text
    assert "terraform init" in text


def test_terraform_gets_its_own_variables_and_none_that_add_arguments() -> None:
    given = {
        "AWS_PROFILE": "a",
        "TF_WORKSPACE": "b",
        "TF_CLI_ARGS_plan": "-target=nothing",
        "TF_LOG": "trace",
        "GITHUB_TOKEN": "c",
        "HOME": "/home/ann",
        "SHOPKART_GITHUB_APP_KEY": "d",
        "SHOPKART_BACKUP_KEY": "e",
    }
    assert set(terraform_variables(given)) == {"AWS_PROFILE", "TF_WORKSPACE", "GITHUB_TOKEN", "HOME"}
