"""One attempt of one stage: who is let in, what is kept, and when a phase is said to be through."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.world import World

TOOL = Tool("tool", "1")
FAILING = Evidence(TOOL, "two tests failed", {"tests": 40, "failed": 2})


class _Crash(BaseException):
    """The process dies."""


class _Scanner(FakeScanner):
    """Does something before it answers."""

    def __init__(self, do: Callable[[], object], result: Evidence | EvidenceMissing) -> None:
        super().__init__(result=result)
        self._do = do

    def scan(self, request: ScanRequest) -> ToolRun:
        self._do()
        return super().scan(request)


def _raise(error: BaseException) -> Callable[[], object]:
    def do() -> object:
        raise error

    return do


def at(world: World, stage: str) -> Release:
    """A release that has passed everything before a stage."""
    release = world.merge()
    for each in world.pipeline.services["backend"].stages:
        if each.name == stage:
            return release
        if each.phase is not Phase.PRODUCTION:
            assert world.stage(release, each.name, "run-before").passed
    raise AssertionError(stage)


def missing(world: World, release: Release, stage: str) -> str:
    result = world.record(release, stage).result
    assert isinstance(result, EvidenceMissing)
    return result.reason


# Who is let in.


def test_a_stage_is_refused_while_one_before_it_never_ran(world: World) -> None:
    release = world.merge()

    with pytest.raises(Refused, match=r"may not start unit_tests: source\.evidence: missing: the stage never ran"):
        world.stage(release, "unit_tests")

    assert world.evidence.attempts == []


def test_needs_of_needs_count_too(world: World) -> None:
    release = at(world, "staging")
    world.scanners[StageKind.LINT].result = Evidence(TOOL, "bad", {"new_violations": 3})
    world.stage(release, "lint")

    with pytest.raises(Refused, match=r"lint\.new_violations: fail: new_violations 3 > 0"):
        world.stage(release, "staging")


def test_a_refusal_leaves_a_note_and_no_attempt(world: World) -> None:
    release = world.merge()

    with pytest.raises(Refused) as refused:
        world.stage(release, "image")

    [note] = world.evidence.notes("backend", release.key, "refused")
    assert (note.message, note.data) == (refused.value.what, {"stage": "image"})
    assert world.evidence.attempts == []


def test_a_stage_is_refused_when_the_one_before_it_left_no_evidence(world: World) -> None:
    release = at(world, "image")
    world.scanners[StageKind.UNIT_TESTS].result = EvidenceMissing("pytest ran out of time")
    world.stage(release, "unit_tests")

    with pytest.raises(Refused, match="pytest ran out of time"):
        world.stage(release, "image")


def test_a_tool_that_did_not_run_blocks_production(world: World) -> None:
    release = world.approved()
    world.scanners[StageKind.IMAGE_SCAN].reason_unavailable = "no advisories within the last week"
    world.stage(release, "image_scan")

    with pytest.raises(Refused, match="no advisories within the last week"):
        world.stage(release, "production")


def test_evidence_about_an_image_does_not_count_for_another_one(world: World) -> None:
    release = at(world, "staging")
    layout = world.platform.workspace.application(release) / "content.json"
    layout.write_text("rebuilt, and different")
    world.stage(release, "image")

    with pytest.raises(Refused, match=r"image_scan\.vulnerabilities: missing: the evidence is about sha256:"):
        world.stage(release, "staging")


def test_a_scan_says_the_image_that_it_was_given_though_the_image_is_built_anew_meanwhile(world: World) -> None:
    release = at(world, "image_scan")
    given = world.digest(release)

    def rebuild() -> None:
        (world.platform.workspace.application(release) / "content.json").write_text("rebuilt, and different")
        world.stage(release, "image")

    world.scanners[StageKind.IMAGE_SCAN] = _Scanner(rebuild, Evidence(TOOL, "fine", {}))
    world.stage(release, "image_scan")

    assert world.digest(release) != given
    assert world.record(release, "image_scan").subject_digest == given


def test_an_image_that_lies_there_differently_from_what_was_recorded_is_not_published(world: World) -> None:
    release = at(world, "published_image")
    (world.platform.workspace.application(release) / "content.json").write_text("rebuilt, and different")
    world.stage(release, "image")
    start, _ = world.evidence.attempts.pop()
    world.evidence.begin(start)  # The process died before it could record what it had built.

    world.stage(release, "published_image")

    assert "build the image again" in missing(world, release, "published_image")


# What is kept.


def test_a_stage_keeps_evidence_reports_and_times(world: World) -> None:
    release = at(world, "lint")
    scanner = world.scanners[StageKind.LINT]
    scanner.raw = (RawReport("lint.json", "application/json", b"[]"),)

    outcome = world.stage(release, "lint", "run-7")

    record = world.record(release, "lint")
    assert outcome.record == record
    assert (record.run_id, record.commit, record.subject_digest) == ("run-7", release.sha, None)
    [report] = record.result.reports
    assert world.evidence.get_report(report.digest) == b"[]"
    assert world.evidence.running("backend", release.key) == ()


def test_a_failed_gate_is_evidence_all_the_same(world: World) -> None:
    release = at(world, "unit_tests")
    world.scanners[StageKind.UNIT_TESTS].result = FAILING

    outcome = world.stage(release, "unit_tests")

    assert not outcome.passed
    assert [gate.outcome for gate in outcome.gates] == [Outcome.FAIL, Outcome.PASS]
    assert world.record(release, "unit_tests").result == FAILING


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ToolUnavailable("The server does not answer.", "Start it."), "The server does not answer. Start it."),
        (OSError(28, "No space left on device"), "unit_tests stopped: OSError: No space left on device"),
    ],
)
def test_a_tool_that_fails_is_missing_evidence(world: World, error: Exception, reason: str) -> None:
    release = at(world, "unit_tests")
    world.scanners[StageKind.UNIT_TESTS] = _Scanner(_raise(error), FAILING)

    outcome = world.stage(release, "unit_tests")

    assert not outcome.passed
    assert missing(world, release, "unit_tests") == reason


def test_a_measure_that_is_no_number_is_left_out_and_named(world: World) -> None:
    release = at(world, "unit_tests")
    world.scanners[StageKind.UNIT_TESTS].result = Evidence(TOOL, "odd", {"tests": math.nan, "failed": 0})

    outcome = world.stage(release, "unit_tests")

    result = world.record(release, "unit_tests").result
    assert isinstance(result, Evidence)
    assert (result.measures, result.notes) == ({"failed": 0}, ("tool gave no number for tests.",))
    assert [gate.outcome for gate in outcome.gates] == [Outcome.PASS, Outcome.MISSING]


@pytest.mark.parametrize("error", [_Crash(), RuntimeError("a fault of our own")])
def test_an_attempt_that_died_counts_for_nothing(world: World, error: BaseException) -> None:
    release = at(world, "unit_tests")
    world.scanners[StageKind.UNIT_TESTS] = _Scanner(_raise(error), FAILING)

    with pytest.raises(type(error)):
        world.stage(release, "unit_tests")

    assert "unit_tests" not in world.evidence.latest("backend", release.key)
    assert [start.stage for start in world.evidence.running("backend", release.key)] == ["unit_tests"]
    with pytest.raises(Refused, match=r"unit_tests\.failed: missing: the stage never ran"):
        world.stage(release, "image")


def test_the_next_attempt_replaces_one_that_died(world: World) -> None:
    release = at(world, "unit_tests")
    fine = world.scanners[StageKind.UNIT_TESTS]
    world.scanners[StageKind.UNIT_TESTS] = _Scanner(_raise(_Crash()), FAILING)
    with pytest.raises(_Crash):
        world.stage(release, "unit_tests")
    world.scanners[StageKind.UNIT_TESTS] = fine

    assert world.stage(release, "unit_tests").passed
    assert world.evidence.running("backend", release.key) == ()


# When a phase is through.


def told(world: World) -> list[str]:
    return [delivery.event for delivery in world.inbox.pending()]


def test_a_phase_is_told_once_when_its_last_stage_has_passed(world: World) -> None:
    release = world.merge()

    outcomes = world.run(release, Phase.CI)

    assert [outcome.phase_passed for outcome in outcomes] == [False] * 7 + [True]
    assert told(world) == ["shopkart.phase_passed"]


def test_stages_that_end_a_run_together_tell_it_once(world: World) -> None:
    release = at(world, "image_scan")
    world.stage(release, "image_scan", "run-x")
    world.stage(release, "published_image", "run-x")

    world.stage(release, "image_scan", "run-x")

    assert len(told(world)) == 1


def test_a_phase_with_a_failed_gate_is_not_told(world: World) -> None:
    world.scanners[StageKind.IMAGE_SCAN].result = EvidenceMissing("no advisories")

    world.run(world.merge(), Phase.CI)

    assert told(world) == []


def test_running_everything_once_more_tells_it_at_the_end_of_that_run(world: World) -> None:
    """The records of the first run still stand while the first stages of the second one pass."""
    release = world.merge()
    world.run(release, Phase.CI)

    outcomes = world.run(release, Phase.CI)

    assert [outcome.phase_passed for outcome in outcomes[:6]] == [False] * 6
    assert len(told(world)) == 2


def test_production_tells_nothing_further(world: World) -> None:
    release = world.approved()
    before = told(world)

    assert world.stage(release, "production").passed
    assert told(world) == before


# Tests against staging.


def test_tests_against_staging_are_told_what_should_answer(world: World) -> None:
    release = world.ready()

    [request] = world.scanners[StageKind.INTEGRATION_TESTS].requests

    assert request.url == "http://backend.staging.example"
    assert request.image_digest == world.digest(release)
    assert request.variables["SHOPKART_EXPECTED_VERSION"] == release.key


def test_tests_prove_nothing_while_another_release_runs_in_staging(world: World) -> None:
    release = at(world, "integration_tests")
    world.ready()

    outcome = world.stage(release, "integration_tests")

    assert not outcome.passed
    assert "the tests would prove nothing" in missing(world, release, "integration_tests")


def test_tests_prove_nothing_when_another_release_takes_staging_meanwhile(world: World) -> None:
    release = at(world, "integration_tests")
    fine = world.scanners[StageKind.INTEGRATION_TESTS]

    def another() -> None:
        world.scanners[StageKind.INTEGRATION_TESTS] = fine
        world.ready()

    world.scanners[StageKind.INTEGRATION_TESTS] = _Scanner(another, fine.result)

    assert not world.stage(release, "integration_tests").passed


def test_reports_of_earlier_stages_are_handed_on(world: World) -> None:
    world.scanners[StageKind.UNIT_TESTS].raw = (RawReport("coverage.xml", "text/xml", b"<coverage/>"),)
    seen: list[bytes] = []
    scanner = world.scanners[StageKind.IMAGE_SCAN]

    class Reader(FakeScanner):
        def scan(self, request: ScanRequest) -> ToolRun:
            seen.append(request.reports["unit_tests/coverage.xml"].read_bytes())
            return ToolRun(scanner.result)

    world.scanners[StageKind.IMAGE_SCAN] = Reader()

    world.run(world.merge(), Phase.CI)

    assert seen == [b"<coverage/>"]


@pytest.mark.parametrize("name", ["missing", "ruff"])
def test_a_tool_of_another_name_does_not_step_in(world: World, name: str) -> None:
    world.declare("backend", lambda service: replace(service, stages=_with_tool(service.stages, "lint", name)))
    release = at(world, "lint")

    world.stage(release, "lint")

    assert missing(world, release, "lint") == f"no tool called {name} serves lint"


def test_an_image_builder_that_can_not_work_is_missing_evidence(world: World) -> None:
    release = at(world, "image")
    world.builder.missing = "no space left"

    assert not world.stage(release, "image").passed
    assert world.record(release, "image").subject_digest is None
    assert missing(world, release, "image") == "no space left"


def _with_tool(stages: tuple[Stage, ...], name: str, tool: str) -> tuple[Stage, ...]:
    return tuple(replace(each, tool=tool) if each.name == name else each for each in stages)
