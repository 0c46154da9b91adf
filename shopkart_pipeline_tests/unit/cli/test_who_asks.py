"""No command that changes something does anything for somebody who may not, or who is nobody."""

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shopkart_pipeline.cli import (
    arguments,
    backup,
    drill_recovery,
    incident,
    notify,
    rerun,
    rescan,
    restore,
    roles,
    rollback,
)
from shopkart_pipeline.domain.backup import BackedUp, Recovery
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.roles import Machine, Role, Roles
from shopkart_pipeline_tests.fakes.fake_database import BackupWorld
from shopkart_pipeline_tests.fakes.fake_signatures import FakeSigner
from shopkart_pipeline_tests.fakes.world import ANA, MAYA, World

_COMMANDS: dict[str, tuple[ModuleType, list[str]]] = {
    "rollback": (rollback, ["backend", "--reason", "slow"]),
    "rerun": (rerun, ["backend", "production"]),
    "incident open": (incident, ["open", "backend", "--reason", "slow"]),
    "rescan": (rescan, ["backend"]),
    "backup": (backup, ["shop"]),
    "drill-recovery": (drill_recovery, ["shop"]),
    "restore": (restore, ["shop", "--output", "restored"]),
    "notify": (notify, ["--test", "oncall"]),
}


@pytest.fixture
def type_in(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Types a command in a world with two releases and a database."""
    world.released()
    world.backups = BackupWorld(tmp_path / "backups", world.clock).backups
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases={"shop": BackedUp("shop")}))

    def typed(command: ModuleType, *words: str) -> int:
        monkeypatch.setattr(command, "open_platform", lambda: world.platform)
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        return command.run(parser.parse_args(list(words)))

    return typed


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_command_of_somebody_without_the_role_changes_nothing(
    world: World, type_in: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, words = _COMMANDS[name]
    world.pipeline = replace(world.pipeline, roles=Roles({Role.AUTHOR: (ANA.email,)}, is_declared=True))
    monkeypatch.setattr(arguments, "SshSigner", lambda key_file: FakeSigner(ANA.email))
    before, sent = world.ledger.entries(), list(world.notifiers["oncall"].got)

    with pytest.raises(Refused, match="has author and may not"):
        type_in(command, *words)

    assert world.ledger.entries() == before
    assert world.incidents.list() == ()
    assert list(world.notifiers["oncall"].got) == sent
    assert not Path("restored").exists()


def test_a_command_without_a_key_says_which_it_looked_for(
    type_in: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(ToolUnavailable, match="no-key"):
        arguments.SshSigner(tmp_path / "no-key").sign(b"")


def test_a_token_from_the_environment_is_taken_before_ones_own_key(
    world: World, type_in: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "0123456789abcdef0123456789abcdef-nightly"
    (tmp_path / "token").write_text(token + "\n")
    monkeypatch.setenv("SHOPKART_TOKEN_FILE", str(tmp_path / "token"))
    ends = world.clock.now() + timedelta(days=1)
    machine = Machine("nightly", Role.PIPELINE, hashlib.sha256(token.encode()).hexdigest(), ends)
    world.pipeline = replace(world.pipeline, roles=Roles({Role.OPERATOR: (MAYA,)}, (machine,), is_declared=True))

    assert type_in(backup, "shop") == 0
    with pytest.raises(Refused, match="machine:nightly has pipeline and may not roll back"):
        type_in(rollback, "backend", "--reason", "slow")

    assert [entry.act.actor for entry in world.ledger.entries() if entry.act.verb == "ask_back_up"] == [
        "machine:nightly"
    ]


def test_roles_are_shown_with_who_has_them(
    world: World, type_in: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine("nightly", Role.PIPELINE, "0" * 64, world.clock.now())
    world.pipeline = replace(
        world.pipeline, roles=Roles({Role.OPERATOR: (MAYA,)}, (machine,), buttons=(), is_declared=True)
    )

    assert type_in(roles) == 1

    shown = capsys.readouterr().out
    assert f"operator  {MAYA}" in shown
    assert "auditor  nobody" in shown
    assert "web interface, without a login: nothing" in shown
    assert "machine:nightly expired on" in shown
    assert type_in(roles, MAYA) == 0
    assert "roll_back" in capsys.readouterr().out
    assert type_in(roles, "nobody@shopkart.example") == 1
