"""`shopkart ledger`: what people read, which entries they may pick, and exit codes that scripts can rest on."""

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.disk_anchor import DiskAnchor
from shopkart_pipeline.adapters.dsse import write_keys
from shopkart_pipeline.cli import ledger
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.domain.trusted_key import KEYS_FILE
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.record_policy import CHANGE_KEYS
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.world import World

VERIFY = argparse.Namespace(what="verify", keys=None, anchor=None, since=1)


@pytest.fixture
def signed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three entries, of which nothing is signed yet; the home has the trusted keys."""
    attestor, home = FakeAttestor(), tmp_path / "home"
    (home / KEYS_FILE).parent.mkdir(parents=True)
    (home / KEYS_FILE).write_bytes(write_keys(attestor.keys.keys))
    platform = replace(world.platform, attestor=attestor, envelopes=attestor, anchor=DiskAnchor(tmp_path / "heads"))
    monkeypatch.setattr(ledger, "open_platform", lambda: platform)
    settings = from_environment({"SHOPKART_HOME": str(home)})
    monkeypatch.setattr(ledger, "from_environment", lambda: settings)
    monkeypatch.setattr(ledger, "who_asks", lambda platform, options, verb: verb)
    for number, (service, verb) in enumerate([("backend", "approve"), ("backend", "promote"), ("frontend", "promote")]):
        at = world.clock.now() + timedelta(minutes=number)
        world.ledger.append(Act(at, "maya@shopkart.example", verb, service, f"20250304-{number}", "sha256:1", {}))
    return world


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    ledger.add_arguments(parser)
    code = ledger.run(parser.parse_args(arguments))
    return code, capsys.readouterr().out


def test_a_ledger_that_nobody_signed_will_not_do_until_somebody_does(
    signed: World, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run(capsys, "verify")
    told = run(capsys, "sign")
    after = run(capsys, "verify")

    assert before[0] == 1
    assert "no entry that was looked at is signed" in before[1]
    assert told[0] == 0
    assert "Entry 3 is signed" in told[1]
    assert after[0] == 0
    assert "Proved: entries 1 to 3" in after[1]
    assert "heads holds the same heads up to entry 3" in after[1]


def test_whoever_may_not_sign_signs_nothing(signed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(platform: Platform, options: argparse.Namespace, verb: Verb) -> None:
        raise Refused(f"{verb} is nobody's.", "Declare roles.")

    monkeypatch.setattr(ledger, "who_asks", refuse)

    with pytest.raises(Refused, match="sign_ledger"):
        ledger.run(argparse.Namespace(what="sign"))
    assert signed.ledger.heads() == ()


def test_an_entry_that_was_changed_is_named(signed: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "sign")
    kept = signed.ledger.kept
    kept[1] = replace(kept[1], act=replace(kept[1].act, actor="mallory"))

    code, told = run(capsys, "verify")

    assert code == 1
    assert told.startswith("Entry 2 was changed.")


def test_taking_the_keys_away_does_not_make_it_a_ledger_that_nobody_signs(
    signed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / KEYS_FILE).unlink()
    assert ledger.run(VERIFY) == 1

    monkeypatch.setattr(ledger, "open_platform", lambda: signed.platform)
    assert ledger.run(VERIFY) == 0, "nothing tells of signatures"
    signed.ledger.append(Act(signed.clock.now(), "pipeline", CHANGE_KEYS, "", "", "", {"digest": "sha256:1"}))
    assert ledger.run(VERIFY) == 1


def test_keys_and_anchor_may_be_given(signed: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "sign")
    others = tmp_path / "others.json"
    others.write_bytes(write_keys(FakeAttestor().keys.keys))

    code, told = run(capsys, "verify", "--keys", str(others))
    assert code == 1
    assert "No trusted key made this signature" in told
    signed.clock.advance(7200)
    code, told = run(capsys, "verify", "--anchor", str(tmp_path / "empty"))
    assert code == 1
    assert "empty holds no head of this ledger" in told


def test_verification_may_begin_later_but_with_an_entry(signed: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "sign")

    assert "Entries before 3 were not looked at." in run(capsys, "verify", "--since", "3")[1]
    with pytest.raises(PipelineError, match="begins with an entry"):
        run(capsys, "verify", "--since", "2025-03-04")


def test_entries_are_picked_by_service_release_verb_and_time(signed: World, capsys: pytest.CaptureFixture[str]) -> None:
    def numbers(*arguments: str) -> list[int]:
        return [json.loads(line)["sequence"] for line in run(capsys, "show", "--json", *arguments)[1].splitlines()]

    later = (signed.clock.now() + timedelta(minutes=1)).astimezone(UTC)
    assert numbers() == [1, 2, 3]
    assert numbers("--service", "backend") == [1, 2]
    assert numbers("--service", "backend", "--verb", "promote", "--verb", "rerun") == [2]
    assert numbers("--release", "304-2") == [3]
    assert numbers("--since", "3") == [3]
    assert numbers("--since", later.isoformat()) == [2, 3]
    assert numbers("--since", datetime.max.date().isoformat()) == []


def test_people_read_a_table(signed: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys, "show", "--verb", "approve")

    assert code == 0
    assert told.splitlines()[1].split()[-2:] == ["approve", "backend@20250304-0"]
