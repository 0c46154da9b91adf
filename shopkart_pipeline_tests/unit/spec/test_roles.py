"""Who may do what, as it is declared."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.domain.roles import BUTTONS, Machine, Role, Verb
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, one_fault_of, pipeline_of

_DIGEST = "0123456789abcdef" * 4
_APPROVER = "maya@shopkart.example"
"""Whom the smallest declaration names for production."""


def test_without_roles_the_approvers_operate_and_nobody_has_another_role(tmp_path: Path) -> None:
    roles = pipeline_of(tmp_path, SMALLEST).roles

    assert not roles.is_declared
    assert roles.of(_APPROVER) == {Role.APPROVER, Role.OPERATOR}
    assert roles.buttons == BUTTONS
    assert roles.of("somebody@shopkart.example") == frozenset()


def test_everything_can_be_said(tmp_path: Path) -> None:
    roles = pipeline_of(
        tmp_path,
        f"{SMALLEST}teams: {{shop: [ana@shopkart.example, tom@shopkart.example]}}\n"
        f"roles: {{author: ['team:shop'], approver: [{_APPROVER}], operator: [Tom@shopkart.example], "
        f"machines: {{nightly: {{role: pipeline, token: 'sha256:{_DIGEST}', expires: '2027-01-31'}}}}, "
        "web_interface: [rerun]}\n",
    ).roles

    assert roles.is_declared
    assert roles.of("tom@shopkart.example") == {Role.AUTHOR, Role.OPERATOR}
    assert roles.of(_APPROVER) == {Role.APPROVER}
    assert roles.machines == (Machine("nightly", Role.PIPELINE, _DIGEST, datetime(2027, 1, 31, tzinfo=UTC)),)
    assert roles.of("machine:nightly") == {Role.PIPELINE}
    assert roles.buttons == (Verb.RERUN,)
    assert roles.who_may(Verb.BACK_UP) == ("Tom@shopkart.example", "machine:nightly")


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ("operator: [maya@shopkart.example]", "approves for an environment and is no approver here"),
        (f"approver: [{_APPROVER}], operator: ['team:nobody']", "there is no team nobody"),
        (
            f"approver: [{_APPROVER}], machines: {{a: {{role: approver, token: 'sha256:{_DIGEST}', "
            "expires: '2027-01-31'}}",
            "approver",
        ),
        (f"approver: [{_APPROVER}], machines: {{a: {{role: pipeline, token: hunter2, expires: '2027-01-31'}}}}", "SHA"),
        (
            f"approver: [{_APPROVER}], machines: {{a: {{role: pipeline, token: 'sha256:{_DIGEST}', "
            "expires: '2027-02-30'}}",
            "there is no day 2027-02-30",
        ),
        (f"approver: [{_APPROVER}], web_interface: [approve]", "approve"),
    ],
)
def test_what_can_not_be_is_a_fault(tmp_path: Path, roles: str, said: str) -> None:
    assert said in one_fault_of(tmp_path, f"{SMALLEST}roles: {{{roles}}}\n").message


def test_a_command_in_comments_is_for_those_whose_role_suffices(tmp_path: Path) -> None:
    people = "people: {ana: ana@shopkart.example}, commands: {rollback: [ana@shopkart.example]}"
    declared = f"{SMALLEST}github: {{{people}}}\n"

    fault = one_fault_of(tmp_path, f"{declared}roles: {{approver: [{_APPROVER}], author: [ana@shopkart.example]}}\n")

    assert fault.path == "github.commands.rollback"
    assert "ana@shopkart.example would be refused: that needs the role operator" in fault.message
    assert pipeline_of(tmp_path, declared).code_host is not None
