"""How often tests were flaky: counted over releases, noted in the evidence, shown to people."""

import io

from rich.console import Console

from shopkart_pipeline.cli.report import release_report
from shopkart_pipeline.cli.show import print_report
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool
from shopkart_pipeline.domain.flaky_test import FlakyTest, flaky_finding
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services import flaky_tests as service
from shopkart_pipeline.services.flaky_tests import flaky_tests
from shopkart_pipeline_tests.fakes.world import World


def a_tested(world: World, *flaky: str) -> Release:
    """A release whose unit tests were run, some of them flaky."""
    findings = tuple(flaky_finding(name, None, "passed on attempt 2 of 3") for name in flaky)
    measures = {"tests": 40, "failed": 0, "flaky": len(flaky)}
    world.scanners[StageKind.UNIT_TESTS].result = Evidence(Tool("pytest", "9"), "fine", measures, findings)
    release = world.merge()
    for stage in ("source", "dependencies", "unit_tests"):
        world.stage(release, stage)
    return release


def notes(world: World, release: Release) -> tuple[str, ...]:
    result = world.record(release, "unit_tests").result
    assert isinstance(result, Evidence)
    return result.notes


def test_a_flaky_test_is_noted_with_how_often_it_was(world: World) -> None:
    a_tested(world, "a")
    a_tested(world)
    release = a_tested(world, "a", "b")

    assert notes(world, release) == (
        "a was flaky in 2 of the last 3 releases.",
        "b was flaky in 1 of the last 3 releases.",
    )


def test_a_release_without_flaky_tests_says_nothing_about_earlier_ones(world: World) -> None:
    a_tested(world, "a")

    assert notes(world, a_tested(world)) == ()


def test_running_the_stage_again_counts_the_release_once(world: World) -> None:
    release = a_tested(world, "a")

    world.stage(release, "unit_tests")

    assert notes(world, release) == ("a was flaky in 1 of the last 1 releases.",)


def test_only_the_latest_releases_are_looked_at(world: World) -> None:
    for _ in range(service.RELEASES):
        a_tested(world, "old")
    for _ in range(service.RELEASES - 1):
        a_tested(world)
    a_tested(world, "new")

    assert flaky_tests(world.platform, "backend") == {"unit_tests": (FlakyTest("new", 1, service.RELEASES),)}


def test_a_stage_that_left_no_evidence_is_not_counted(world: World) -> None:
    a_tested(world, "a")
    world.scanners[StageKind.UNIT_TESTS].result = EvidenceMissing("crashed")
    release = world.merge()
    for stage in ("source", "dependencies", "unit_tests"):
        world.stage(release, stage)

    assert flaky_tests(world.platform, "backend") == {"unit_tests": (FlakyTest("a", 1, 1),)}


def test_people_see_flaky_tests_also_at_a_release_that_had_none(world: World) -> None:
    a_tested(world, "tests.test_a::test_x[1]")
    release = a_tested(world)
    shown = io.StringIO()

    report = release_report(world.platform, release)
    print_report(Console(file=shown, soft_wrap=True), report)

    [stage] = [each for each in report["stages"] if "flaky_tests" in each]
    assert stage["flaky_tests"] == [{"test": "tests.test_a::test_x[1]", "releases": 1, "of_releases": 2}]
    assert "tests.test_a::test_x[1]: flaky in 1 of the last 2 releases" in shown.getvalue()
