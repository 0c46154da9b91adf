"""What the code host is told about a release on its way."""

from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, Tool
from shopkart_pipeline.domain.notice import (
    CheckNotice,
    CheckStatus,
    CommentNotice,
    Conclusion,
    DeploymentNotice,
    DeploymentState,
    Notice,
    ScanNotice,
)
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.code_host import CodeHost
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.report_commit import note_concern
from shopkart_pipeline.services.report_progress import accepted_commit, run_ended
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World

TOOL = Tool("tool", "1")


class _Silent(CodeHost):
    """Is connected; what it would be sent is looked at in the outbox."""

    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def connected(world: World) -> None:
    world.code_host = _Silent()


def told(world: World) -> dict[str, Notice]:
    """The newest notice about each thing, by its name."""
    return {each.notice.about: each.notice for each in world.outbox.pending(world.clock.now(), 1000)}


def check(world: World, release: Release, name: str) -> CheckNotice:
    notice = told(world)[f"check:{REPOSITORY}:{release.sha}:{name}"]
    assert isinstance(notice, CheckNotice)
    return notice


def whole(world: World, release: Release) -> tuple[CheckStatus, Conclusion | None]:
    notice = check(world, release, "shopkart")
    return notice.status, notice.conclusion


def deployment(world: World, run_id: str) -> DeploymentNotice:
    [found] = [each for each in told(world).values() if isinstance(each, DeploymentNotice) and each.run_id == run_id]
    return found


def comment(world: World, number: int = 7) -> str:
    notice = told(world)[f"comment:{REPOSITORY}:{number}"]
    assert isinstance(notice, CommentNotice)
    return notice.body


def test_a_stage_that_passed_is_a_check_with_its_gates(world: World) -> None:
    release = world.merge()
    world.run(release, Phase.CI, ["source", "dependencies", "unit_tests"])

    notice = check(world, release, "shopkart / backend / unit_tests")
    assert (notice.status, notice.conclusion) == (CheckStatus.COMPLETED, Conclusion.SUCCESS)
    assert "| `unit_tests.failed` | 0 | <= 0 |".replace("<", "\\<") in notice.summary
    assert notice.details_url == f"https://pipeline.example/runs/{world.record(release, 'unit_tests').run_id}"
    assert whole(world, release) == (CheckStatus.IN_PROGRESS, None)


def test_a_stage_that_failed_is_a_check_with_its_findings_at_their_lines(world: World) -> None:
    finding = Finding("F401", Severity.HIGH, "`os` is unused <img src=x>", "f1", path="backend/app.py", line=3)
    world.scanners[StageKind.LINT] = FakeScanner(
        result=Evidence(TOOL, "1 violation", {"new_violations": 1}, (finding,))
    )
    release = world.merge()
    world.run(release, Phase.CI, ["source", "lint"])

    notice = check(world, release, "shopkart / backend / lint")
    assert notice.conclusion is Conclusion.FAILURE
    [annotation] = notice.annotations
    assert (annotation.path, annotation.line) == ("backend/app.py", 3)
    assert whole(world, release) == (CheckStatus.COMPLETED, Conclusion.FAILURE)
    assert check(world, release, "shopkart").title == "did not pass: backend"


def test_missing_evidence_fails_the_check_and_says_why(world: World) -> None:
    world.scanners[StageKind.LINT] = FakeScanner(result=EvidenceMissing("ruff did not run"))
    release = world.merge()
    world.run(release, Phase.CI, ["source", "lint"])

    notice = check(world, release, "shopkart / backend / lint")
    assert (notice.conclusion, notice.title) == (Conclusion.FAILURE, "no evidence: ruff did not run")


def test_the_whole_is_through_when_every_stage_is(world: World) -> None:
    release = world.merge()
    outcomes = world.run(release, Phase.CI)

    assert all(outcome.passed for outcome in outcomes)
    assert whole(world, release) == (CheckStatus.COMPLETED, Conclusion.SUCCESS)


def test_a_commit_of_two_services_passes_when_both_do(world: World) -> None:
    sha = world.commit({"backend/app.py": "1", "frontend/app.py": "1"})
    accepted = accept(world.platform, world.delivery(sha))
    accepted_commit(world.platform, accepted)
    backend, frontend = (world.evidence.release(each.service, each.release_key) for each in accepted.requests)

    assert whole(world, backend) == (CheckStatus.IN_PROGRESS, None)
    world.run(backend, Phase.CI)
    assert whole(world, backend) == (CheckStatus.IN_PROGRESS, None)
    world.run(frontend, Phase.CI)
    assert whole(world, backend) == (CheckStatus.COMPLETED, Conclusion.SUCCESS)


def test_a_commit_that_concerns_nothing_satisfies_the_required_check(world: World) -> None:
    world.merge()
    sha = world.commit({"docs/readme.md": "hello"})
    accepted = accept(world.platform, world.delivery(sha, world.evidence.releases("backend")[0].sha))
    accepted_commit(world.platform, accepted)

    notice = told(world)[f"check:{REPOSITORY}:{sha}:shopkart"]
    assert isinstance(notice, CheckNotice)
    assert (notice.status, notice.conclusion) == (CheckStatus.COMPLETED, Conclusion.SKIPPED)
    assert "2 services are not affected" in notice.summary


def test_who_puts_last_has_seen_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one process is about to put what it saw, another one ends the last stage and puts that."""
    release = world.merge()
    stages = [stage.name for stage in world.pipeline.services["backend"].stages_of(Phase.CI)]
    world.run(release, Phase.CI, stages[:-1])
    put, interleaved = world.outbox.put, list[bool]()

    def slow_put(notices: list[Notice], now: object) -> None:
        whole_check = any(notice.about.endswith(":shopkart") for notice in notices)
        if whole_check and not interleaved:
            interleaved.append(True)
            world.run(release, Phase.CI, stages[-1:])
        put(notices, world.clock.now())

    monkeypatch.setattr(world.outbox, "put", slow_put)
    world.stage(release, stages[0])

    assert interleaved
    assert whole(world, release) == (CheckStatus.COMPLETED, Conclusion.SUCCESS)


def test_a_rollout_is_a_deployment_of_its_environment(world: World) -> None:
    release = world.ready()

    staging = [each for each in told(world).values() if isinstance(each, DeploymentNotice)]
    assert [(each.environment, each.state, each.is_production) for each in staging] == [
        ("staging/backend", DeploymentState.SUCCESS, False)
    ]
    assert staging[0].sha == release.sha


def test_a_rollback_is_a_deployment_of_the_earlier_release(world: World) -> None:
    first = world.released()
    world.released()
    roll_back(world.platform, "backend", "maya", "slow", "rollback-run")

    notice = deployment(world, "rollback-run")
    assert (notice.sha, notice.state, notice.environment) == (
        first.sha,
        DeploymentState.SUCCESS,
        "production/backend",
    )
    assert "slow" in notice.description


def test_findings_go_to_code_scanning_once_when_continuous_integration_has_ended(world: World) -> None:
    release = world.merge()
    world.run(release, Phase.CI, ["source", "lint"])
    assert not [each for each in told(world).values() if isinstance(each, ScanNotice)]
    world.run(release, Phase.CI)

    [notice] = [each for each in told(world).values() if isinstance(each, ScanNotice)]
    assert (notice.sha, notice.ref, notice.category) == (release.sha, "refs/heads/main", "shopkart/backend")
    assert b'"shopkart/backend/lint/' in world.evidence.get_report(notice.sarif_digest)


def test_what_has_no_evidence_is_not_sent_to_code_scanning_as_clean(world: World) -> None:
    world.scanners[StageKind.IMAGE_SCAN] = FakeScanner(result=EvidenceMissing("crashed"))
    release = world.merge()
    world.run(release, Phase.CI)

    [notice] = [each for each in told(world).values() if isinstance(each, ScanNotice)]
    document = world.evidence.get_report(notice.sarif_digest)
    assert b"/lint/" in document
    assert b"/image_scan/" not in document


def test_a_run_that_is_lost_ends_the_checks_of_its_stages(world: World) -> None:
    class _Crash(BaseException):
        pass

    def die(*_: object) -> None:
        raise _Crash

    release = world.merge()
    world.stage(release, "source", "run-x")
    world.scanners[StageKind.LINT].scan = die  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(_Crash):
        world.stage(release, "lint", "run-x")
    assert check(world, release, "shopkart / backend / lint").status is CheckStatus.IN_PROGRESS

    run_ended(world.platform, release, "run-x", cancelled=False)

    assert check(world, release, "shopkart / backend / lint").conclusion is Conclusion.FAILURE
    run_ended(world.platform, release, "run-x", cancelled=True)
    assert check(world, release, "shopkart / backend / lint").conclusion is Conclusion.CANCELLED


def test_what_a_lost_worker_could_not_tell_is_told_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release = world.merge()
    world.stage(release, "source", "run-x")
    put = world.outbox.put

    def lost(*_: object) -> None:
        raise ToolUnavailable("The disk is full.", "")

    monkeypatch.setattr(world.outbox, "put", lost)
    assert world.stage(release, "lint", "run-x").passed
    monkeypatch.setattr(world.outbox, "put", put)
    run_ended(world.platform, release, "run-x", cancelled=False)

    assert check(world, release, "shopkart / backend / lint").conclusion is Conclusion.SUCCESS


def test_telling_the_same_again_changes_nothing(world: World) -> None:
    release = world.merge()
    world.run(release, Phase.CI)
    before = len(world.outbox.kept)

    run_ended(world.platform, release, "run-1", cancelled=False)

    assert len(world.outbox.kept) == before


def test_the_comment_of_a_pull_request_shows_its_services(world: World) -> None:
    world.merge()
    release = world.proposed()
    assert "| backend | … |" in comment(world)
    world.run(release, Phase.CI, [stage.name for stage in world.pipeline.services["backend"].stages_of(Phase.CI)][:-1])

    assert "| backend | ✅ passed |" in comment(world)
    assert "1 service is not affected." in comment(world)


def test_the_comment_of_a_pull_request_says_what_stops_it(world: World) -> None:
    world.merge()
    world.scanners[StageKind.LINT] = FakeScanner(result=Evidence(TOOL, "1 violation", {"new_violations": 1}))
    release = world.proposed()
    world.run(release, Phase.CI, ["source", "lint"])

    assert "**backend** stopped in continuous integration:" in comment(world)
    assert "`lint.new_violations` | 1 |" in comment(world)


def test_without_a_code_host_nothing_is_kept(world: World) -> None:
    world.code_host = None
    world.released()

    assert world.outbox.kept == []


def test_what_a_commit_concerns_is_noted_once(world: World) -> None:
    accepted = accept(world.platform, world.delivery(world.commit()))

    first = note_concern(world.platform, accepted)
    again = note_concern(world.platform, replace(accepted, not_affected=()))

    assert first is not None
    assert (first.services, first.others) == (("backend",), 1)
    assert again == first
