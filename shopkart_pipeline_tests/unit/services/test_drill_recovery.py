"""A drill finds by itself what a disaster would have found."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.domain.backup import BackedUp, Recovery
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.services.back_up import back_up
from shopkart_pipeline.services.drill_recovery import DRILL_GATES, RECOVERY_DRILL, DrillReport, drill_recovery
from shopkart_pipeline.services.run_companion import remove_companions
from shopkart_pipeline.services.tell_recovery import DATABASES
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fake_database import ADDRESS, BackupWorld, FakeDatabase
from shopkart_pipeline_tests.fakes.world import PRODUCTION, STAGING, World

SHOP = BackedUp("shop", PRODUCTION, "backend", ("/catalogue",), maximum_age_seconds=24 * 3600.0, recovery_seconds=600.0)


@pytest.fixture
def kept(world: World, tmp_path: Path) -> BackupWorld:
    kept = BackupWorld(tmp_path / "backups", world.clock)
    world.backups = kept.backups
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases={"shop": SHOP}))
    backend = world.pipeline.services["backend"]
    variables = {**backend.workload.variables, "DATABASE_URL": "{database_url}"}
    world.declare("backend", lambda each: replace(each, workload=replace(each.workload, variables=variables)))
    return kept


@pytest.fixture
def backed_up(world: World, kept: BackupWorld) -> BackupWorld:
    """With a release in production, and a backup of an hour ago."""
    world.released()
    assert back_up(world.platform, "shop").succeeded
    world.clock.advance(3600.0)
    return kept


def drill(world: World) -> DrillReport:
    return drill_recovery(world.platform, "shop", "run-1")


def outcomes(report: DrillReport) -> dict[str, str]:
    return {line.gate: line.outcome.value for line in report.lines}


def reason(report: DrillReport, gate: str) -> str:
    return next(line.reason for line in report.lines if line.gate == gate)


def is_verified(kept: BackupWorld) -> bool:
    return kept.backups.store.backups("shop")[0][0].verified_at is not None


def told(world: World) -> list[str]:
    return [each.subject for each in world.notifications.told("mail")]


def test_a_recovery_that_works_is_green_and_verifies_the_backup(world: World, backed_up: BackupWorld) -> None:
    report = drill(world)

    assert outcomes(report) == dict.fromkeys(DRILL_GATES, "pass")
    age, time = (next(line for line in report.lines if line.gate == gate) for gate in ("data_age", "recovery_time"))
    assert (age.limit, time.limit) == (86_400.0, 600.0)
    assert age.value == pytest.approx(3600.0, abs=60)
    assert time.value is not None
    assert 20.0 <= time.value < 60.0
    assert is_verified(backed_up)
    assert world.evidence.notes(DATABASES, "shop", RECOVERY_DRILL)[0].data["recovery_time"] == "pass"
    assert told(world) == []


def test_the_version_in_production_runs_on_what_was_restored_and_is_gone_afterwards(
    world: World, backed_up: BackupWorld
) -> None:
    seen = list[str]()
    answered = backed_up.backups.probe

    def probe(url: str, path: str) -> str | None:
        status = world.cluster.observe(STAGING, "backend-recovery").stable
        assert status is not None
        assert status.spec.digest == world.observe().stable.spec.digest  # type: ignore[union-attr]
        seen.append(status.spec.variables["DATABASE_URL"])
        return answered(url, path)

    world.backups = replace(backed_up.backups, probe=probe)

    assert drill(world).passed
    assert seen == [ADDRESS]
    assert backed_up.asked == [("http://backend-recovery.staging.example", "/catalogue")]
    world.cluster.tick(STAGING, "backend-recovery")
    assert world.cluster.observe(STAGING, "backend-recovery").stable is None
    assert backed_up.database.standing == 0


def test_what_a_killed_drill_left_in_staging_is_swept_when_its_lease_is_over(
    world: World, backed_up: BackupWorld
) -> None:
    running = world.observe().stable
    assert running is not None
    world.cluster.apply(STAGING, "backend-recovery", Track.STABLE, running.spec)
    world.cluster.acquire_lease(STAGING, "backend-recovery", "run-0", 15.0, world.clock.now())
    world.cluster.tick(STAGING, "backend-recovery")
    assert remove_companions(world.platform) == ()

    world.clock.advance(16.0)

    [removed] = remove_companions(world.platform)
    assert removed.startswith("backend-recovery was left in staging")


def test_without_a_backup_everything_is_red(world: World, kept: BackupWorld) -> None:
    report = drill(world)

    assert outcomes(report) == {**dict.fromkeys(DRILL_GATES, "missing"), "backup": "fail"}
    assert reason(report, "backup") == "there is no backup"
    assert told(world) == ["The recovery drill of shop failed"]


def test_a_backup_that_is_too_old_is_red_and_still_restored(world: World, backed_up: BackupWorld) -> None:
    world.clock.advance(24 * 3600.0)

    report = drill(world)

    assert outcomes(report) == {**dict.fromkeys(DRILL_GATES, "pass"), "data_age": "fail"}
    assert "> 86400 s" in reason(report, "data_age")
    assert is_verified(backed_up), "it gives everything back"


def test_a_backup_of_the_future_is_red_because_a_clock_is_wrong(world: World, backed_up: BackupWorld) -> None:
    world.clock.advance(-2 * 3600.0)

    report = drill(world)

    assert outcomes(report)["data_age"] == "fail"
    assert "a clock is wrong" in reason(report, "data_age")


def test_a_disk_that_is_full_is_told(world: World, backed_up: BackupWorld) -> None:
    def full(_: BackedUp) -> FakeDatabase:
        raise OSError(28, "No space left on device")

    world.backups = replace(backed_up.backups, database=full)

    assert reason(drill(world), "restored") == "OSError: No space left on device"
    assert not back_up(world.platform, "shop").succeeded


def test_a_recovery_that_takes_too_long_is_red(world: World, backed_up: BackupWorld) -> None:
    backed_up.database.restore_seconds = 601.0

    report = drill(world)

    assert outcomes(report) == {**dict.fromkeys(DRILL_GATES, "pass"), "recovery_time": "fail"}


def test_lost_rows_are_told_by_table(world: World, backed_up: BackupWorld) -> None:
    backed_up.database.lost = {"public.orders": 3}

    report = drill(world)

    assert outcomes(report)["rows"] == "fail"
    assert reason(report, "rows") == "public.orders has 1997 rows instead of 2000"
    assert not is_verified(backed_up)


def test_another_schema_is_red(world: World, backed_up: BackupWorld) -> None:
    backed_up.database.lost_schema = True

    report = drill(world)

    assert outcomes(report)["schema"] == "fail"
    assert not is_verified(backed_up)


@pytest.mark.parametrize("part", range(5))
def test_damage_anywhere_is_found_with_a_reason(world: World, backed_up: BackupWorld, part: int) -> None:
    [path] = backed_up.folder.glob("shop/*/data")
    content = bytearray(path.read_bytes())
    content[len(content) * part // 5] ^= 1
    path.write_bytes(content)

    report = drill(world)

    assert outcomes(report)["restored"] == "fail"
    assert "damaged" in reason(report, "restored") or "sealed" in reason(report, "restored")
    assert outcomes(report)["rows"] == outcomes(report)["storefront"] == outcomes(report)["recovery_time"] == "missing"


def test_a_backup_that_was_cut_off_is_found(world: World, backed_up: BackupWorld) -> None:
    [path] = backed_up.folder.glob("shop/*/data")
    path.write_bytes(path.read_bytes()[:-1])

    assert "cut off" in reason(drill(world), "restored")


def test_data_that_went_missing_are_found(world: World, backed_up: BackupWorld) -> None:
    [path] = backed_up.folder.glob("shop/*/data")
    path.unlink()

    report = drill(world)

    assert outcomes(report)["backup"] == "fail"
    assert "its data are missing" in reason(report, "backup")


def test_a_newest_backup_that_can_not_be_used_is_red_though_an_older_one_is_restored(
    world: World, backed_up: BackupWorld
) -> None:
    back_up(world.platform, "shop")
    newest = sorted(backed_up.folder.glob("shop/*"))[-1]
    (newest / "manifest.json").write_text("{")

    report = drill(world)

    assert outcomes(report) == {**dict.fromkeys(DRILL_GATES, "pass"), "backup": "fail"}
    assert f"shop/{newest.name} can't be used: its manifest can't be read" in reason(report, "backup")


def test_a_backup_of_another_key_is_told_as_that(world: World, backed_up: BackupWorld) -> None:
    backed_up.key = bytes(32)
    world.backups = backed_up.backups

    assert "is sealed with key" in reason(drill(world), "backup")


def test_a_service_that_does_not_answer_is_red_and_verifies_nothing(world: World, backed_up: BackupWorld) -> None:
    backed_up.answers["/catalogue"] = "GET answered 500"

    report = drill(world)

    assert outcomes(report) == {**dict.fromkeys(DRILL_GATES, "pass"), "storefront": "fail", "recovery_time": "missing"}
    assert "GET answered 500" in reason(report, "storefront")
    assert not is_verified(backed_up)


def test_a_service_that_does_not_start_is_red(world: World, backed_up: BackupWorld) -> None:
    placed = world.observe().stable
    assert placed is not None
    world.cluster.behaviours[placed.spec.digest] = Behaviour.CRASHES

    report = drill(world)

    assert outcomes(report)["storefront"] == "fail"
    assert "does not start in staging: crash loop" in reason(report, "storefront")
    assert backed_up.database.standing == 0


def test_without_a_version_in_production_nothing_is_proven(world: World, kept: BackupWorld) -> None:
    back_up(world.platform, "shop")

    report = drill(world)

    assert outcomes(report)["storefront"] == "fail"
    assert "nothing is in production" in reason(report, "storefront")


def test_on_kubernetes_the_service_can_not_be_shown_to_work_and_that_is_red(
    world: World, backed_up: BackupWorld
) -> None:
    staging = replace(world.pipeline.environments[STAGING], platform="kubernetes")
    world.pipeline = replace(world.pipeline, environments={**world.pipeline.environments, STAGING: staging})

    assert "do not reach" in reason(drill(world), "storefront")


def test_a_database_without_a_service_is_judged_by_what_is_in_it(world: World, kept: BackupWorld) -> None:
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases={"shop": BackedUp("shop")}))
    back_up(world.platform, "shop")

    report = drill(world)

    assert report.passed
    assert "storefront" not in outcomes(report)
    assert all(line.outcome is Outcome.PASS for line in report.lines)
