"""What Terraform's plan says is believed where it is whole, and nowhere else; outputs are those of Terraform 1.11.4."""

import json
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._terraform_plan import CHANGED, FAILED, UNCHANGED, read_plan
from shopkart_pipeline.adapters.terraform import Terraform
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.infrastructure import Difference, DriftedResource, InfrastructureState

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "terraform"


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.jsonl").read_bytes()


def reason(output: bytes, exit_code: int) -> str:
    result = read_plan(output, exit_code)
    assert isinstance(result, EvidenceMissing), result
    return result.reason


def message(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def plan(*messages: bytes, add: int = 0, change: int = 0, remove: int = 0) -> bytes:
    """A whole answer about one resource that was looked at, with further messages."""
    changes = {"add": add, "change": change, "import": 0, "remove": remove, "operation": "plan"}
    parts = [
        message(type="version", terraform="1.11.4", ui="1.2"),
        message(type="refresh_complete", hook={}),
        *messages,
        message(type="change_summary", changes=changes),
    ]
    return b"".join(parts)


def change(kind: str, action: str, address: str = "aws_db_instance.this") -> bytes:
    return message(type=kind, change={"resource": {"addr": address}, "action": action, "reason": "x"})


def test_what_is_as_declared_has_no_drift() -> None:
    assert read_plan(sample("unchanged"), UNCHANGED) == InfrastructureState("Terraform 1.11.4", 1, ())


def test_what_applying_would_change_is_told() -> None:
    found = read_plan(sample("updated"), CHANGED)
    assert isinstance(found, InfrastructureState)
    assert found.drifted == (
        DriftedResource("terraform_data.one", Difference.NOT_APPLIED, "update"),
        DriftedResource("output.x", Difference.NOT_APPLIED, "update"),
    )


def test_what_somebody_changed_is_told_as_that() -> None:
    output = plan(change("resource_drift", "update"), change("planned_change", "replace"), add=1, remove=1)
    found = read_plan(output, CHANGED)
    assert isinstance(found, InfrastructureState)
    assert [(each.difference, each.action) for each in found.drifted] == [
        (Difference.CHANGED_BY_HAND, "update"),
        (Difference.NOT_APPLIED, "replace"),
    ]


def test_a_resource_that_somebody_deleted_is_drift_even_where_nothing_is_to_be_done() -> None:
    found = read_plan(plan(change("resource_drift", "delete")), UNCHANGED)
    assert isinstance(found, InfrastructureState)
    assert [each.action for each in found.drifted] == ["delete"]


def test_everything_is_missing_where_the_state_is_empty() -> None:
    found = read_plan(sample("created"), CHANGED)
    assert isinstance(found, InfrastructureState)
    assert found.compared == 0
    assert [each.action for each in found.drifted] == ["create", "create"]


def test_a_plan_that_fails_is_no_comparison() -> None:
    assert reason(sample("failed"), FAILED) == (
        "Terraform could not compare: Unclosed configuration block; Unsupported block type"
    )


def test_an_error_counts_whatever_the_exit_code() -> None:
    error = message(type="diagnostic", diagnostic={"severity": "error", "summary": "No valid credential sources found"})
    assert "No valid credential sources" in reason(plan(error), UNCHANGED)


def test_a_warning_is_no_error() -> None:
    warning = message(type="diagnostic", diagnostic={"severity": "warning", "summary": "Deprecated"})
    assert isinstance(read_plan(plan(warning), UNCHANGED), InfrastructureState)


@pytest.mark.parametrize(
    ("output", "exit_code", "words"),
    [
        (b"", UNCHANGED, "did not tell a version"),
        (b"No changes. Your infrastructure matches the configuration.\n", UNCHANGED, "not its JSON"),
        (b"[]\n", UNCHANGED, "not its JSON"),
        (b"\xff\n", UNCHANGED, "not its JSON"),
        (b'{"type": "planned_change", "change": 1}\n', CHANGED, "not its JSON"),
        (plan() + plan(), UNCHANGED, "did not tell a version"),
        (plan().replace(b'"1.2"', b'"2.0"'), UNCHANGED, "did not tell a version"),
        (plan(), CHANGED, "not what it told"),
        (plan(change("planned_change", "update"), change=1), UNCHANGED, "not what it told"),
        (plan(change("planned_change", "update"), change=2), CHANGED, "other changes than it counted"),
        (plan(add=1), CHANGED, "other changes than it counted"),
        (plan(), 137, "exit code 137"),
        (plan().replace(b"refresh_complete", b"refresh_start"), UNCHANGED, "looked at nothing"),
    ],
)
def test_half_an_answer_is_none(output: bytes, exit_code: int, words: str) -> None:
    assert words in reason(output, exit_code)


@pytest.mark.parametrize("name", ["unchanged", "updated", "created"])
def test_an_answer_that_was_cut_off_anywhere_never_says_that_all_is_as_declared(name: str) -> None:
    whole = sample(name)
    for end in range(0, len(whole), 7):
        for exit_code in (UNCHANGED, CHANGED):
            found = read_plan(whole[:end], exit_code)
            is_good = isinstance(found, InfrastructureState) and not found.drifted
            # What was lost may be nothing but the outputs' own line.
            assert not is_good or whole[:end].rstrip().endswith(b'"change_summary"}'), end


def test_values_and_hostile_names_are_not_shown_as_they_are() -> None:
    output = plan(change("planned_change", "create", 'aws_x.this["\x1b[2J\n"]'), add=1)
    found = read_plan(output, CHANGED)
    assert isinstance(found, InfrastructureState)
    assert "\x1b" not in found.drifted[0].address
    assert "\n" not in found.drifted[0].address


# The program.


def program(folder: Path, script: str) -> str:
    file = folder / "terraform"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text("")
    return folder


def compared(root: Path, script: str, timeout_seconds: float = 30.0) -> InfrastructureState | EvidenceMissing:
    return Terraform({"AWS_PROFILE": "auditor"}, timeout_seconds, program(root.parent, script)).compare(root)


def test_a_program_that_is_absent_or_a_folder_without_a_declaration_is_no_comparison(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Terraform({}).compare(root) == EvidenceMissing("terraform is not installed")
    found = Terraform({}, program="terraform").compare(tmp_path)
    assert isinstance(found, EvidenceMissing)
    assert "holds no declaration" in found.reason


def test_a_program_that_hangs_or_dies_is_no_comparison(root: Path) -> None:
    hung = compared(root, "exec sleep 60", timeout_seconds=0.2)
    assert isinstance(hung, EvidenceMissing)
    assert hung.reason == "terraform ran out of time"
    died = compared(root, "kill -9 $$")
    assert isinstance(died, EvidenceMissing)
    assert "exit code -9" in died.reason


def test_it_is_given_its_variables_and_changes_and_locks_nothing(root: Path) -> None:
    found = compared(root, 'echo "$* $AWS_PROFILE" > said; cat %s' % (SAMPLES / "unchanged.jsonl"))
    assert isinstance(found, InfrastructureState), found
    said = (root / "said").read_text().split()
    assert said == ["plan", "-detailed-exitcode", "-json", "-lock=false", "-input=false", "auditor"]
