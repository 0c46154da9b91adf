"""The drill by the clock: its scores are checks, and a drill that did not run is no good one."""

from dataclasses import replace
from typing import Any

import pytest
from dagster import DagsterInstance, Definitions, ExecuteInProcessResult, ResourceDefinition

from shopkart_pipeline.defs.drill import build_drill
from shopkart_pipeline_tests.fakes.world import World


def score(what: str, *, passed: bool = True) -> dict[str, Any]:
    return {"what": what, "passed": passed, "measured": "after 4.0 s", "target": "within 60 s"}


GOOD = [score("detected"), score("recovered"), score("found in the logs")]


def drilled(
    world: World, instance: DagsterInstance, scores: list[dict[str, Any]], problem: str = ""
) -> ExecuteInProcessResult:
    pipeline = replace(world.pipeline, schedules={"drill": "0 4 * * 1"})
    assets, jobs, schedules = build_drill(pipeline, lambda _: (scores, problem))
    resources = {"platform": ResourceDefinition.hardcoded_resource(world.platform)}
    definitions = Definitions(assets=assets, jobs=jobs, schedules=schedules, resources=resources)
    assert [schedule.name for schedule in definitions.get_repository_def().schedule_defs] == ["drill"]
    return definitions.resolve_job_def("drill").execute_in_process(instance=instance, raise_on_error=False)


def checks(result: ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    return {each.check_name: (each.passed, each.description or "") for each in result.get_asset_check_evaluations()}


def test_scores_are_checks(world: World, instance: DagsterInstance) -> None:
    result = drilled(world, instance, GOOD)

    assert result.success
    assert checks(result) == {
        "detected": (True, "after 4.0 s (within 60 s)"),
        "recovered": (True, "after 4.0 s (within 60 s)"),
        "all_scores": (True, "3 scores"),
    }


@pytest.mark.parametrize(
    ("scores", "problem", "failed"),
    [
        ([], "the drill ran out of time", {"detected", "recovered", "all_scores"}),
        ([score("detected", passed=False), *GOOD[1:]], "", {"detected", "all_scores"}),
        ([*GOOD[:2], score("found in the logs", passed=False)], "", {"all_scores"}),
        (GOOD, "the drill ended with exit code 1", {"all_scores"}),
    ],
)
def test_what_was_missed_is_red(
    world: World, instance: DagsterInstance, scores: list[dict[str, Any]], problem: str, failed: set[str]
) -> None:
    result = drilled(world, instance, scores, problem)

    assert {name for name, (passed, _) in checks(result).items() if not passed} == failed
    assert result.success == bool(scores)


def test_without_a_schedule_there_is_nothing_of_it(world: World) -> None:
    assert build_drill(world.pipeline) == ([], [], [])
