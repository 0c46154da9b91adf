"""Backups and drills in Dagster: an asset each, whose checks are what counts."""

from dataclasses import replace
from pathlib import Path

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult

from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.recovery import backup_key, drill_key
from shopkart_pipeline.domain.backup import BackedUp, Recovery
from shopkart_pipeline.services.back_up import BACKUP_GATES
from shopkart_pipeline_tests.fakes.fake_database import BackupWorld
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def kept(world: World, tmp_path: Path) -> BackupWorld:
    kept = BackupWorld(tmp_path / "backups", world.clock)
    world.backups = kept.backups
    databases = {"shop": BackedUp("shop"), "pipeline": BackedUp("pipeline")}
    schedules = {"backup": "30 2 * * *", "recovery_drill": "15 4 * * *"}
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases=databases), schedules=schedules)
    return kept


def execute(world: World, instance: DagsterInstance, job: str) -> ExecuteInProcessResult:
    definition = build_definitions(world.platform).resolve_job_def(job)
    return definition.execute_in_process(instance=instance, raise_on_error=False)


def checks(result: ExecuteInProcessResult, database: str) -> dict[str, bool]:
    found = result.get_asset_check_evaluations()
    return {each.check_name: each.passed for each in found if each.asset_key.path[-1] == database}


def test_a_backup_and_a_drill_are_green_assets_with_what_they_showed(
    world: World, kept: BackupWorld, instance: DagsterInstance
) -> None:
    taken, drilled = execute(world, instance, "backup"), execute(world, instance, "recovery_drill")

    assert taken.success
    assert drilled.success
    assert checks(taken, "shop") == dict.fromkeys(BACKUP_GATES, True)
    assert set(checks(drilled, "shop").values()) == {True}
    [record] = instance.fetch_materializations(drill_key("shop"), limit=5).records
    metadata = record.asset_materialization.metadata  # type: ignore[union-attr]
    assert metadata["recovery_time_seconds"].value == pytest.approx(20.0, abs=5)
    assert "public.orders: 2000" in str(metadata["rows"].value)


def test_of_very_many_tables_the_largest_are_shown(world: World, kept: BackupWorld, instance: DagsterInstance) -> None:
    kept.database.rows = {f"t{number}": number for number in range(5000)}

    execute(world, instance, "backup")

    [record] = instance.fetch_materializations(backup_key("shop"), limit=5).records
    shown = str(record.asset_materialization.metadata["rows"].value).splitlines()  # type: ignore[union-attr]
    assert (shown[0], shown[-1], len(shown)) == ("- t4999: 4999", "- 4950 smaller ones", 51)


def test_a_backup_that_failed_leaves_red_checks_and_no_materialization(
    world: World, kept: BackupWorld, instance: DagsterInstance
) -> None:
    kept.database.unreachable = True

    result = execute(world, instance, "backup")

    assert not result.success
    assert checks(result, "shop") == {"written": False, "read_back": False, "earlier": True}
    assert checks(result, "pipeline")["written"] is False
    assert instance.fetch_materializations(backup_key("shop"), limit=5).records == []


def test_a_drill_without_a_backup_is_red_everywhere(world: World, kept: BackupWorld, instance: DagsterInstance) -> None:
    result = execute(world, instance, "recovery_drill")

    assert set(checks(result, "shop").values()) == {False}


def test_the_schedules_are_those_that_are_declared(world: World, kept: BackupWorld) -> None:
    repository = build_definitions(world.platform).get_repository_def()

    assert sorted(schedule.name for schedule in repository.schedule_defs) == ["backup", "recovery_drill"]
    node = repository.asset_graph.get(backup_key("shop"))
    assert (node.group_name, node.owners, node.kinds) == ("recovery", ["team:shop"], {"postgres"})
