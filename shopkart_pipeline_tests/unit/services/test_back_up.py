"""A backup counts when it can be read back; retention, and what people are told."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.domain.backup import BackedUp, Recovery
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.retention import Retention
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.services.back_up import BACKUP, BACKUP_GATES, BackupReport, back_up
from shopkart_pipeline.services.tell_recovery import DATABASES
from shopkart_pipeline_tests.fakes.fake_database import BackupWorld
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def kept(world: World, tmp_path: Path) -> BackupWorld:
    kept = BackupWorld(tmp_path / "backups", world.clock)
    world.backups = kept.backups
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases={"shop": BackedUp("shop")}))
    return kept


def outcomes(report: BackupReport) -> dict[str, Outcome]:
    return {line.gate: line.outcome for line in report.lines}


def told(world: World) -> list[str]:
    return [each.subject for each in world.notifications.told("mail")]


def nightly(world: World, nights: int) -> list[str]:
    """One backup a night; the ids."""
    ids = list[str]()
    for _ in range(nights):
        world.clock.advance(24 * 3600.0)
        report = back_up(world.platform, "shop")
        assert report.manifest is not None
        ids.append(report.manifest.id)
    return ids


def there(kept: BackupWorld) -> list[str]:
    return [each.manifest.id for each in reversed(kept.backups.store.backups("shop")[0])]


def test_a_backup_is_written_read_back_and_remembered(world: World, kept: BackupWorld) -> None:
    report = back_up(world.platform, "shop")

    assert outcomes(report) == dict.fromkeys(BACKUP_GATES, Outcome.PASS)
    assert report.manifest is not None
    assert report.manifest.contents == kept.database.contents
    assert report.manifest.taken_at <= world.clock.now()
    [note] = world.evidence.notes(DATABASES, "shop", BACKUP)
    assert "2 tables, 2012 rows" in note.message
    assert told(world) == []


def test_a_database_that_does_not_answer_fails_and_is_told(world: World, kept: BackupWorld) -> None:
    kept.database.unreachable = True

    report = back_up(world.platform, "shop")

    assert outcomes(report) == {
        "written": Outcome.FAIL,
        "read_back": Outcome.MISSING,
        "earlier": Outcome.PASS,
    }
    assert report.manifest is None
    assert told(world) == ["The backup of shop failed"]


def test_what_can_not_be_read_back_is_no_backup(
    world: World, kept: BackupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(type(kept.blobs)):  # type: ignore[misc]
        """Storage that loses the end of what is large."""

        def reading(self, name: str):
            yield from (piece[:-1] if name.endswith("data") else piece for piece in super().reading(name))

    kept.blobs = Forgetful(kept.folder)
    world.backups = kept.backups

    report = back_up(world.platform, "shop")

    assert outcomes(report)["read_back"] is Outcome.FAIL
    assert there(kept) == []


def test_retention_lets_old_ones_go_once_one_is_verified(world: World, kept: BackupWorld) -> None:
    recovery = world.pipeline.recovery
    world.pipeline = replace(world.pipeline, recovery=replace(recovery, retention=Retention(3, 0, 0)))
    ids = nightly(world, 5)
    assert there(kept) == ids, "none is verified: any may be the only good one"
    first = kept.backups.store.backups("shop")[0][-1]
    kept.backups.store.verified(first.manifest, world.clock.now())

    world.clock.advance(3600.0)
    report = back_up(world.platform, "shop")

    assert report.manifest is not None
    assert set(report.removed) == {ids[1], ids[4]}, "two days ago, and earlier today"
    assert there(kept) == [ids[0], ids[2], ids[3], report.manifest.id], "the first is the verified one"


def test_a_failed_backup_lets_nothing_go(world: World, kept: BackupWorld) -> None:
    recovery = world.pipeline.recovery
    ids = nightly(world, 3)
    kept.backups.store.verified(kept.backups.store.backups("shop")[0][0].manifest, world.clock.now())
    world.pipeline = replace(world.pipeline, recovery=replace(recovery, retention=Retention(1, 0, 0)))
    kept.database.unreachable = True

    back_up(world.platform, "shop")

    assert there(kept) == ids


def test_an_earlier_backup_that_was_changed_is_told(world: World, kept: BackupWorld) -> None:
    [first] = nightly(world, 1)
    (kept.folder / "shop" / first / "data").unlink()

    report = back_up(world.platform, "shop")

    assert outcomes(report)["earlier"] is Outcome.FAIL
    assert f"shop/{first}: its data are missing" in report.words
    assert report.manifest is not None


def test_what_was_begun_and_never_became_a_backup_goes_after_a_day(world: World, kept: BackupWorld) -> None:
    [first] = nightly(world, 1)
    (kept.folder / "shop" / first / "manifest.json").unlink()

    back_up(world.platform, "shop")
    assert (kept.folder / "shop" / first).exists()
    world.clock.advance(timedelta(days=2).total_seconds())
    back_up(world.platform, "shop")

    assert not (kept.folder / "shop" / first).exists()


def test_a_failure_is_told_once_a_day(world: World, kept: BackupWorld) -> None:
    kept.database.unreachable = True
    for _ in range(3):
        back_up(world.platform, "shop")
    world.clock.advance(24 * 3600.0)
    back_up(world.platform, "shop")

    assert told(world) == ["The backup of shop failed"] * 2


def test_that_it_works_again_is_told_too_and_only_then(world: World, kept: BackupWorld) -> None:
    kept.database.unreachable = True
    back_up(world.platform, "shop")
    kept.database.unreachable = False
    for _ in range(2):
        back_up(world.platform, "shop")

    assert told(world) == ["The backup of shop failed", "The backup of shop works again"]


def test_a_database_that_is_not_declared_is_told_with_those_that_are(world: World, kept: BackupWorld) -> None:
    with pytest.raises(NotFound, match="Declared are: shop"):
        back_up(world.platform, "orders")
