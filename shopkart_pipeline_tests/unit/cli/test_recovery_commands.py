"""Backups, drills and rescans on the command line: what people read, and exit codes that scripts can rest on."""

import argparse
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from shopkart_pipeline.adapters.sqlite_files import RESTORES, SqliteFiles
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.cli import backup, backups, drill_recovery, rescan, rescans, restore
from shopkart_pipeline.domain.backup import PIPELINE, BackedUp, Recovery
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.errors import NotFound, Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity
from shopkart_pipeline.ports.backups import Backups
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline_tests.fakes.fake_database import BackupWorld
from shopkart_pipeline_tests.fakes.fake_scanner import FAKE_TOOL
from shopkart_pipeline_tests.fakes.world import World

ALL = argparse.Namespace(database=[], key=None)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    for command in (backup, backups, drill_recovery, rescan, rescans, restore):
        monkeypatch.setattr(command, "open_platform", lambda: world.platform)
    return world


@pytest.fixture
def kept(world: World, tmp_path: Path) -> BackupWorld:
    kept = BackupWorld(tmp_path / "backups", world.clock)
    world.backups = kept.backups
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases={"shop": BackedUp("shop")}))
    return kept


def run(command: ModuleType, capsys: pytest.CaptureFixture[str], **options: object) -> tuple[int, str]:
    code = command.run(argparse.Namespace(key=None, **options))
    return code, capsys.readouterr().out


def test_a_backup_and_a_drill_are_told_line_by_line(
    world: World, kept: BackupWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    taken, drilled = run(backup, capsys, database=[]), run(drill_recovery, capsys, database=["shop"])
    listed = run(backups, capsys)

    assert (taken[0], drilled[0], listed[0]) == (0, 0, 0)
    assert "backup.read_back: pass" in taken[1]
    assert "recovery_drill.rows: pass: 2 tables with 2012 rows" in drilled[1]
    assert "2012 rows" in listed[1]
    assert ", verified " in listed[1]


def test_a_name_that_is_not_declared_is_told_before_anything_is_done(
    world: World, kept: BackupWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (backup, drill_recovery):
        with pytest.raises(NotFound, match="shopp"):
            run(command, capsys, database=["shop", "shopp"])

    assert kept.backups.store.backups("shop") == ((), ())


def test_failures_are_exit_code_one(world: World, kept: BackupWorld, capsys: pytest.CaptureFixture[str]) -> None:
    kept.database.unreachable = True

    assert run(backup, capsys, database=[])[0] == 1
    assert run(drill_recovery, capsys, database=[])[0] == 1
    code, said = run(backups, capsys)
    assert (code, "there is no backup" in said) == (1, True)


def test_a_backup_that_is_too_old_or_changed_is_exit_code_one(
    world: World, kept: BackupWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    run(backup, capsys, database=[])
    world.clock.advance(25 * 3600.0)
    old = run(backups, capsys)
    [data] = kept.folder.glob("shop/*/data")
    data.unlink()
    changed = run(backups, capsys)

    assert (old[0], changed[0]) == (1, 1)
    assert "25.0 h old (at most 24 h)" in old[1]
    assert "its data are missing" in changed[1]


def test_what_a_backup_holds_is_written_to_a_file_whole_or_not_at_all(
    world: World, kept: BackupWorld, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(backup, capsys, database=[])
    output = tmp_path / "shop.dump"

    code, said = run(restore, capsys, backup="shop", output=output)

    assert (code, "PostgreSQL 16.4" in said) == (0, True)
    assert b"public.orders" in output.read_bytes()
    assert output.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused, match="exists"):
        run(restore, capsys, backup="shop", output=output)
    with pytest.raises(NotFound, match="no backup 'shop/x'"):
        run(restore, capsys, backup="shop/x", output=tmp_path / "other")
    key, kept.key = kept.key, bytes(32)
    with pytest.raises(NotFound, match="sealed with key"):
        run(restore, capsys, backup="shop", output=tmp_path / "other")
    kept.key = key
    [data] = kept.folder.glob("shop/*/data")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ToolUnavailable, match="damaged"):
        run(restore, capsys, backup="shop", output=tmp_path / "other")
    assert sorted(path.name for path in tmp_path.glob("*other*")) == []


@pytest.mark.parametrize("name", [PIPELINE, "ledger"])
def test_the_pipelines_own_stores_come_back_in_place_and_who_asked_stands_in_their_ledger(
    name: str,
    world: World,
    kept: BackupWorld,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, fresh = tmp_path / "home", tmp_path / "fresh"
    monkeypatch.setenv("SHOPKART_HOME", str(fresh))
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases={name: BackedUp(name)}))

    def at(folder: Path) -> SqliteLedger:
        """The pipeline is in a folder; its ledger."""
        ledger, files = SqliteLedger(folder / "ledger.db"), SqliteFiles(folder, tmp_path / "scratch")
        platform = replace(
            world.platform, ledger=ledger, backups=Backups(kept.backups.store, lambda _: files, kept.backups.probe)
        )
        for command in (backup, restore):
            monkeypatch.setattr(command, "open_platform", lambda: platform)
        return ledger

    ledger = at(home)
    ledger.append(Act(world.clock.now(), "maya", "promote", "backend", "r1", "sha256:1", {}))
    assert run(backup, capsys, database=[])[0] == 0
    before = [entry.act.verb for entry in ledger.entries()][:2]

    ledger = at(fresh)
    parser = argparse.ArgumentParser()
    restore.add_arguments(parser)
    code = restore.run(parser.parse_args([name, "--in-place"]))
    said = capsys.readouterr().out

    assert (code, "is back, as it was at" in said, "`shopkart rerun`" in said) == (0, True, name == PIPELINE)
    [*came_back, restored] = ledger.entries()
    assert [entry.act.verb for entry in came_back] == before
    [asked] = SqliteLedger(fresh / RESTORES).entries()
    assert (asked.act.verb, restored.act.verb, restored.act.actor) == ("ask_restore", "restored", asked.act.actor)
    assert ledger.verify() is None
    with pytest.raises(Refused, match=r"is not empty: it has ledger\.db"):
        restore.run(parser.parse_args([name, "--in-place"]))
    assert ledger.entries()[-1] == restored


def test_work_that_a_rescan_found_is_listed_until_it_is_done(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.released()
    finding = Finding("CVE-1", Severity.HIGH, "bad", "f1", package="h11", installed_version="1", fixed_in="2")
    tool = world.scanners[StageKind.IMAGE_SCAN]
    never = run(rescans, capsys, service=None, all=False)
    tool.result = Evidence(FAKE_TOOL, "found", {"packages": 1.0}, (finding,))
    found, listed = run(rescan, capsys, service=["backend"]), run(rescans, capsys, service=None, all=False)
    tool.result = Evidence(FAKE_TOOL, "nothing", {"packages": 1.0})
    gone, done = run(rescan, capsys, service=[]), run(rescans, capsys, service="backend", all=True)

    assert [each[0] for each in (never, found, listed, gone, done)] == [0, 1, 1, 0, 0]
    assert "was never scanned again" in never[1]
    assert "opened" in found[1]
    assert "CVE-1 h11 1" in " ".join(listed[1].split())
    assert "closed" in gone[1]
    assert "done" in done[1]
