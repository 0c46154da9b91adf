"""Branch protection in Dagster: an asset per branch, a check per declared thing."""

from dataclasses import replace
from pathlib import Path

import pytest
from dagster import AssetCheckSeverity, AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

from shopkart_pipeline.defs.branch_protection import key_of
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.domain.branch_policy import SETTINGS
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.services.check_branches import ReleaseBranch
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World
from shopkart_pipeline_tests.unit.domain.test_branch_policy import PROTECTED

KEY = AssetKey(["branch_protection", "shopkart", "storefront", "main"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy(), schedules={"branch_protection": "23 * * * *"})
    return world


@pytest.fixture
def reader(world: World) -> FakeCodeReader:
    world.code_reader = reader = FakeCodeReader(world.clock)
    reader.rules[REPOSITORY, "main"] = PROTECTED
    return reader


def definitions(world: World) -> Definitions:
    return build_definitions(world.platform)


def look(world: World, instance: DagsterInstance) -> ExecuteInProcessResult:
    job = definitions(world).resolve_job_def("branch_protection")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def test_a_protected_branch_is_green(world: World, reader: FakeCodeReader, instance: DagsterInstance) -> None:
    result = look(world, instance)

    assert result.success
    assert {each.check_name: each.passed for each in result.get_asset_check_evaluations()} == dict.fromkeys(
        SETTINGS, True
    )
    [event] = result.asset_materializations_for_node(result.job_def.nodes[0].name)
    assert event.asset_key == KEY
    assert event.metadata["summary"].value == "protected as declared"


def test_drift_is_a_failed_check_with_the_setting_to_change(
    world: World, reader: FakeCodeReader, instance: DagsterInstance
) -> None:
    reader.rules[REPOSITORY, "main"] = replace(PROTECTED, force_push_allowed=True)

    result = look(world, instance)

    [failed] = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert (failed.check_name, failed.severity) == ("no_force_push", AssetCheckSeverity.ERROR)
    assert "“Allow force pushes” off" in (failed.description or "")


def test_what_can_not_be_read_fails_every_check_and_leaves_no_result(
    world: World, reader: FakeCodeReader, instance: DagsterInstance
) -> None:
    look(world, instance)
    reader.silent = "api.github.com does not answer."

    result = look(world, instance)

    assert not result.success
    evaluations = result.get_asset_check_evaluations()
    assert {each.check_name for each in evaluations if not each.passed} == set(SETTINGS)
    assert all("does not answer" in (each.description or "") for each in evaluations)
    materializations = instance.fetch_materializations(KEY, limit=10).records
    assert len(materializations) == 1, "the one from before"


def test_it_has_its_schedule_and_everything_that_an_asset_needs(world: World) -> None:
    repository = definitions(world).get_repository_def()

    assert [schedule.name for schedule in repository.schedule_defs] == ["branch_protection"]
    node = repository.asset_graph.get(KEY)
    assert (node.group_name, node.owners, node.kinds) == ("branch_protection", ["team:shop"], {"github"})
    assert node.description == "How branch main of shopkart/storefront is protected."


def test_without_a_code_host_there_is_nothing_of_it(world: World) -> None:
    world.pipeline = replace(world.pipeline, code_host=None)

    repository = definitions(world).get_repository_def()

    assert repository.schedule_defs == []
    assert not repository.has_job("branch_protection")
    assert KEY not in repository.asset_graph.get_all_asset_keys()


def test_names_that_dagster_does_not_take_stay_apart() -> None:
    names = [("a/b-c", "x"), ("a/b_c", "x"), ("a/b.c", "x"), ("a/b", "x/y"), ("a/b", "x-y")]

    keys = {key_of(ReleaseBranch(repository, branch, ())).to_python_identifier() for repository, branch in names}

    assert len(keys) == len(names)
