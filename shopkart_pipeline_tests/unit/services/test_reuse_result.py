"""Nothing is checked or built twice, and nothing stands for an attempt that it has no right to."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.declaration import Phase, Service, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Severity, StageRecord, Tool
from shopkart_pipeline.domain.policy import Comparison, Gate, MeasureRule
from shopkart_pipeline.domain.release import PullRequest, Release
from shopkart_pipeline.ports.scanner import TEST_LIST
from shopkart_pipeline_tests.fakes.world import World

CHECKS = ("lint", "unit_tests", "image_scan")
BUILDS = ("dependencies", "application", "image")
SAME = {"backend/app.py": "version = 1\n", "backend/requirements.lock": "flask==3\n"}


def ci(world: World, release: Release) -> dict[str, StageRecord]:
    """The records of a run of continuous integration that passes."""
    assert all(outcome.passed for outcome in world.run(release, Phase.CI))
    return dict(world.evidence.latest(release.service, release.key))


@pytest.fixture
def alike(world: World) -> tuple[World, Release, dict[str, StageRecord]]:
    """A world with a release through continuous integration, and another release of the same content."""
    world.let_inputs_be_known()
    first = ci(world, world.merge(SAME))
    world.clock.advance(60)
    return world, same_content(world), first


def same_content(world: World) -> Release:
    """One more release whose commit changes nothing."""
    sha = world.commit(SAME, message=f"nothing new {world.clock.now()}")
    known = world.evidence.releases("backend")[0]
    commit = world.scm.commit(world.pipeline.services["backend"].source, sha)
    key = f"{commit.committed_at:%Y%m%d-%H%M%S}-{sha[:12]}"
    release = replace(known, key=key, sha=sha, previous_sha=known.sha, delivery_id=f"d-{sha[:8]}")
    world.evidence.add_release(release)
    return release


Alike = tuple[World, Release, dict[str, StageRecord]]


def test_a_commit_that_changes_nothing_runs_no_tool(alike: Alike) -> None:
    world, release, first = alike
    before = world.worked()

    records = ci(world, release)

    assert world.worked() == before
    for stage in (*CHECKS, *BUILDS):
        assert records[stage].reused is not None, stage
        assert records[stage].reused.run_id == first[stage].run_id
        assert records[stage].result.summary == first[stage].result.summary


def test_a_reused_record_is_about_its_own_commit_and_says_where_it_is_from(alike: Alike) -> None:
    world, release, first = alike

    record = ci(world, release)["lint"]

    assert (record.commit, record.release_key) == (release.sha, release.key)
    assert record.reused is not None
    assert (record.reused.commit, record.reused.produced_at) == (first["lint"].commit, first["lint"].finished_at)
    assert dict(record.inputs) == {**first["lint"].inputs, "base": record.inputs["files"]}
    assert record.inputs["files"].startswith("sha256:")


def test_checkout_and_push_are_done_for_every_commit(alike: Alike) -> None:
    world, release, _ = alike

    records = ci(world, release)

    assert records["source"].reused is None
    assert records["published_image"].reused is None
    assert world.registry.resolve("backend", release.key) == world.digest(release)


def test_the_image_keeps_its_digest_and_goes_through_to_production(alike: Alike) -> None:
    world, release, first = alike
    ci(world, release)

    assert world.digest(release) == first["image"].subject_digest
    world.run(release, Phase.STAGING)
    world.approve(release)
    assert world.stage(release, "production").passed


def test_what_was_reused_is_reused_from_the_run_that_did_the_work(alike: Alike) -> None:
    world, release, first = alike
    ci(world, release)
    world.clock.advance(60)

    third = ci(world, same_content(world))

    assert third["lint"].reused is not None
    assert third["lint"].reused.run_id == first["lint"].run_id


def another_version(world: World) -> None:
    world.let_inputs_be_known("2")


def another_command(world: World) -> None:
    def change(service: Service) -> Service:
        stages = tuple(replace(stage, options={"level": "strict"}) for stage in service.stages)
        return replace(service, stages=stages)

    world.declare("backend", change)


def no_reuse_declared(world: World) -> None:
    world.declare("backend", lambda s: replace(s, stages=tuple(replace(one, reuse=False) for one in s.stages)))


def unknown_inputs(world: World) -> None:
    for scanner in world.scanners.values():
        scanner.known = None


def two_weeks(world: World) -> None:
    world.clock.advance(15 * 24 * 3600)


def stricter_policy(world: World) -> None:
    rule = MeasureRule("files", Comparison.AT_LEAST, 100)
    tests = MeasureRule("tests", Comparison.AT_LEAST, 100)
    packages = MeasureRule("packages", Comparison.AT_LEAST, 100)
    more = (Gate("f", "lint", "", rule), Gate("t", "unit_tests", "", tests), Gate("p", "image_scan", "", packages))
    world.declare("backend", lambda service: replace(service, gates=(*service.gates, *more)))


@pytest.mark.parametrize(
    "change", [another_version, another_command, no_reuse_declared, unknown_inputs, two_weeks, stricter_policy]
)
def test_the_tool_runs_again_where(alike: Alike, change: Callable[[World], None]) -> None:
    world, _, _ = alike
    change(world)
    release = same_content(world)
    before = len(world.scanners[StageKind.LINT].requests)

    world.stage(release, "source")
    record = world.stage(release, "lint").record

    assert record.reused is None
    assert len(world.scanners[StageKind.LINT].requests) == before + 1


def test_other_files_are_other_inputs(alike: Alike) -> None:
    world, _, _ = alike
    release = world.merge({"backend/app.py": "version = 2\n"})

    assert ci(world, release)["lint"].reused is None


def test_a_file_in_the_root_counts_since_tools_read_their_configuration_there(alike: Alike) -> None:
    world, _, first = alike
    world.commit({"ruff.toml": "select = ['ALL']\n"})
    release = same_content(world)

    world.stage(release, "source")

    assert world.stage(release, "lint").record.inputs["files"] != first["lint"].inputs["files"]


@pytest.mark.parametrize(
    "result",
    [EvidenceMissing("it crashed"), Evidence(Tool("fake", "1"), "bad", {"new_violations": 1})],
)
def test_what_did_not_pass_is_never_reused(world: World, result: Evidence | EvidenceMissing) -> None:
    world.let_inputs_be_known()
    world.scanners[StageKind.LINT].result, fine = result, world.scanners[StageKind.LINT].result
    first = world.merge(SAME)
    world.stage(first, "source")
    assert not world.stage(first, "lint").passed
    world.scanners[StageKind.LINT].result = fine

    outcome = world.stage(first, "lint")

    assert outcome.passed
    assert outcome.record.reused is None


def test_an_application_that_was_swept_is_built_again_and_its_image_is_the_registry_s(alike: Alike) -> None:
    world, release, first = alike
    shutil.rmtree(world.platform.workspace.home / "work" / "releases")

    records = ci(world, release)

    assert records["application"].reused is None
    assert records["image"].reused is not None
    assert world.digest(release) == first["image"].subject_digest
    assert records["lint"].reused is not None


def test_on_request_the_tool_runs_and_agrees(alike: Alike) -> None:
    world, release, first = alike
    world.stage(release, "source")

    record = world.stage(release, "lint", reuse=False).record

    assert record.reused is None
    assert isinstance(record.result, Evidence)
    told = f"Run again on purpose: the same as run {first['lint'].run_id} found with the same inputs."
    assert told in record.result.notes


def test_on_request_the_tool_runs_and_what_differs_is_named(alike: Alike) -> None:
    world, release, _ = alike
    world.stage(release, "source")
    new = Finding("E501", Severity.LOW, "long line", "f" * 24, is_new=False)
    world.scanners[StageKind.LINT].result = Evidence(
        Tool("fake", "1"), "fine", {"violations": 1, "new_violations": 0, "files": 12}, (new,)
    )

    record = world.stage(release, "lint", reuse=False).record

    assert isinstance(record.result, Evidence)
    assert any("differs from run" in note and "violations, findings" in note for note in record.result.notes)


def a_pull_request(release: Release, *, fork: bool) -> Release:
    assert release.previous_sha is not None
    return replace(release, pull_request=PullRequest(7, release.previous_sha, fork))


def test_what_a_fork_had_checked_stands_for_no_one_else(world: World) -> None:
    world.let_inputs_be_known()
    world.merge(SAME)
    release = same_content(world)
    fork = a_pull_request(release, fork=True)
    world.stage(fork, "source")
    world.stage(fork, "lint")

    world.stage(release, "source")

    assert world.stage(release, "lint").record.reused is None


def test_checks_of_our_own_pull_request_stand_for_its_merge_but_what_ships_is_built_by_the_merge(world: World) -> None:
    world.let_inputs_be_known()
    world.merge(SAME)
    release = same_content(world)
    ours = a_pull_request(release, fork=False)
    for stage in ("source", "dependencies", "lint", "application"):
        world.stage(ours, stage)

    for stage in ("source", "dependencies"):
        world.stage(release, stage)

    assert world.stage(release, "lint").record.reused is not None
    assert world.stage(release, "application").record.reused is None


def test_age_counts_from_when_the_tool_ran(alike: Alike) -> None:
    world, release, first = alike
    ci(world, release)
    record = world.record(release, "lint")
    assert record.produced_at == first["lint"].finished_at
    world.clock.advance(timedelta(days=14).total_seconds() - 30)

    outcome = world.stage(same_content(world), "source")

    assert outcome.passed
    with pytest.raises(Exception, match=r"the evidence is \d+ s old"):
        world.stage(release, "image_scan")


def test_a_result_measured_against_another_base_says_so(alike: Alike) -> None:
    world, release, first = alike

    record = ci(world, release)["lint"]

    assert record.inputs["base"] != first["lint"].inputs["base"]
    assert isinstance(record.result, Evidence)
    assert record.result.notes == (
        "The commit is the same as its base: what is called new was new to an earlier base.",
    )


def list_tests(world: World, *names: str) -> None:
    """From now on the unit tests of the backend leave this list of tests."""
    stages = world.pipeline.services["backend"].stages
    junit = tuple(replace(one, junit="r.xml") if one.kind is StageKind.UNIT_TESTS else one for one in stages)
    world.declare("backend", lambda service: replace(service, stages=junit))
    world.scanners[StageKind.UNIT_TESTS].raw = (RawReport(TEST_LIST, "application/json", json.dumps(names).encode()),)


def unit_tests(world: World, release: Release) -> StageRecord:
    for stage in ("source", "dependencies"):
        world.stage(release, stage)
    return world.stage(release, "unit_tests").record


def test_tests_are_reused_where_the_list_to_compare_with_is_their_own(world: World) -> None:
    world.let_inputs_be_known()
    list_tests(world, "test_a")
    unit_tests(world, world.merge(SAME))

    assert unit_tests(world, same_content(world)).reused is not None


def test_tests_run_again_where_one_could_have_vanished_unnoticed(world: World) -> None:
    world.let_inputs_be_known()
    list_tests(world, "test_a")
    unit_tests(world, world.merge(SAME))
    list_tests(world, "test_a", "test_b")
    unit_tests(world, world.merge({"backend/app.py": "with test_b\n"}))

    assert unit_tests(world, world.merge(SAME)).reused is None
