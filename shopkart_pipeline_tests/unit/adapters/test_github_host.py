"""What GitHub is told, and what the pipeline makes of GitHub's peculiarities."""

import base64
import gzip
import json
from collections.abc import Generator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters import _github_scans, github_host
from shopkart_pipeline.adapters._github_comments import MARK
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, StageRecord, Tool
from shopkart_pipeline.domain.notice import (
    Annotation,
    AnnotationLevel,
    CheckNotice,
    CheckStatus,
    CommentNotice,
    Conclusion,
    DeploymentNotice,
    DeploymentState,
    ScanNotice,
)
from shopkart_pipeline.domain.sarif_log import sarif_log
from shopkart_pipeline.ports.code_host import TryLater
from shopkart_pipeline_tests.contract.code_host_worlds import (
    OTHER_SHA,
    PULL_REQUEST,
    REPOSITORY,
    SHA,
    GitHubWorldOf,
    github_world,
)
from shopkart_pipeline_tests.fakes.github_server import GitHubApp, Trouble
from shopkart_pipeline_tests.fakes.github_server.comments import comment_as
from shopkart_pipeline_tests.fakes.github_server.trouble import Drop
from shopkart_pipeline_tests.fakes.github_server.world import Identity

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
NAME = "shopkart / backend / lint"
RUNNING = CheckNotice(REPOSITORY, SHA, NAME, CheckStatus.IN_PROGRESS, None, "running", "…", started_at=NOON)
PASSED = replace(RUNNING, status=CheckStatus.COMPLETED, conclusion=Conclusion.SUCCESS, title="clean", completed_at=NOON)
UP = DeploymentNotice(
    REPOSITORY, SHA, "backend", "42-a", "production", True, DeploymentState.IN_PROGRESS, "at 10 %", "run-1"
)
HELLO = CommentNotice(REPOSITORY, PULL_REQUEST, "hello")
SCAN = ScanNotice(REPOSITORY, SHA, "refs/heads/main", "shopkart/backend", "sha256:1")


def remarks(lines: Iterable[int], message: str = "too long") -> tuple[Annotation, ...]:
    return tuple(Annotation("a.py", line, AnnotationLevel.WARNING, "E501", message) for line in lines)


@pytest.fixture
def world(tmp_path: Path) -> Generator[GitHubWorldOf]:
    with github_world(tmp_path, as_app=True) as made:
        yield made


@pytest.fixture
def token_world(tmp_path: Path) -> Generator[GitHubWorldOf]:
    with github_world(tmp_path, as_app=False) as made:
        yield made


def drop_after(world: GitHubWorldOf, writes: int) -> None:
    world.github.troubles.make(Trouble(writing=True, after=writes, drop=Drop.AFTER))


def test_a_check_that_begins_anew_is_a_new_run(world: GitHubWorldOf) -> None:
    first = world.host.send(PASSED, None, maybe_sent=False)

    second = world.host.send(RUNNING, first, maybe_sent=False)

    assert first != second
    assert [run["status"] for run in world.repository.check_runs] == ["completed", "in_progress"]


def test_another_conclusion_is_a_new_run_because_the_old_one_keeps_its_own(world: GitHubWorldOf) -> None:
    first = world.host.send(PASSED, None, maybe_sent=False)

    second = world.host.send(replace(PASSED, conclusion=Conclusion.FAILURE), first, maybe_sent=False)
    third = world.host.send(replace(PASSED, conclusion=Conclusion.FAILURE, title="more"), second, maybe_sent=False)

    assert second == third
    assert [run["conclusion"] for run in world.repository.check_runs] == ["success", "failure"]
    assert world.repository.check_runs[1]["output"]["title"] == "more"


def test_a_new_run_whose_answer_was_lost_is_found_by_what_follows(world: GitHubWorldOf) -> None:
    first = world.host.send(PASSED, None, maybe_sent=False)
    drop_after(world, 0)
    with pytest.raises(TryLater):
        world.host.send(RUNNING, first, maybe_sent=False)

    world.host.send(replace(PASSED, conclusion=Conclusion.FAILURE), first, maybe_sent=True)

    assert [run["conclusion"] for run in world.repository.check_runs] == ["success", "failure"]


def test_the_conclusion_comes_with_the_last_annotations(world: GitHubWorldOf) -> None:
    name = world.host.send(RUNNING, None, maybe_sent=False)
    drop_after(world, 1)
    failed = replace(PASSED, conclusion=Conclusion.FAILURE, annotations=remarks(range(1, 151)))
    with pytest.raises(TryLater):
        world.host.send(failed, name, maybe_sent=False)
    [run] = world.repository.check_runs
    assert (run["status"], run["output"]["annotations_count"]) == ("in_progress", 100)

    world.host.send(failed, name, maybe_sent=True)

    assert (run["conclusion"], run["output"]["annotations_count"]) == ("failure", 150)
    assert [each["start_line"] for each in world.repository.annotations[run["id"]]] == list(range(1, 151))


def test_other_annotations_get_a_new_run_and_leave_none_of_the_old_ones(world: GitHubWorldOf) -> None:
    name = world.host.send(replace(PASSED, annotations=remarks([1, 2])), None, maybe_sent=False)

    name = world.host.send(replace(PASSED, annotations=remarks([2])), name, maybe_sent=False)

    assert [each["start_line"] for each in world.repository.annotations[int(name)]] == [2]


def test_a_run_that_was_left_half_told_ends_when_another_takes_its_place(world: GitHubWorldOf) -> None:
    drop_after(world, 0)
    with pytest.raises(TryLater):
        world.host.send(replace(PASSED, annotations=remarks(range(1, 80))), None, maybe_sent=False)

    world.host.send(replace(PASSED, annotations=remarks([5])), None, maybe_sent=True)

    assert [run["conclusion"] for run in world.repository.check_runs] == ["neutral", "success"]


def test_a_run_of_the_same_name_by_another_app_is_not_touched(world: GitHubWorldOf) -> None:
    other = GitHubApp(id=99, slug="other")
    world.host.send(PASSED, None, maybe_sent=False)
    theirs = {**world.repository.check_runs[0], "id": 999_999, "app": other.document, "name": NAME}
    world.repository.check_runs.append(theirs)

    world.host.send(replace(PASSED, title="clean again"), None, maybe_sent=True)

    assert [run["output"]["title"] for run in world.repository.check_runs] == ["clean again", "clean"]


def test_what_somebody_deleted_is_made_anew(world: GitHubWorldOf) -> None:
    names = [world.host.send(notice, None, maybe_sent=False) for notice in (PASSED, UP, HELLO)]
    world.repository.check_runs.clear()
    world.repository.deployments.clear()
    world.repository.comments.clear()

    again = [
        world.host.send(notice, name, maybe_sent=False) for notice, name in zip((PASSED, UP, HELLO), names, strict=True)
    ]

    assert len(world.seen()) == 3
    assert set(names).isdisjoint(again)


def test_text_of_any_kind_and_length_is_taken(world: GitHubWorldOf) -> None:
    hostile = "<script>\x1b[31m\u202e@everyone\0\ud800 " + "ü🚀" * 70_000
    notice = replace(
        PASSED,
        title=hostile,
        summary=hostile,
        annotations=(Annotation("ü/a b.py\n", 0, AnnotationLevel.FAILURE, hostile, hostile),),
    )

    world.host.send(notice, None, maybe_sent=False)
    world.host.send(replace(UP, description=hostile), None, maybe_sent=False)
    world.host.send(replace(HELLO, body=hostile), None, maybe_sent=False)

    [run] = world.repository.check_runs
    assert len(run["output"]["summary"].encode()) <= 65_535
    assert run["output"]["summary"].endswith("…")
    assert len(run["output"]["title"]) <= 255
    [annotation] = world.repository.annotations[run["id"]]
    assert (annotation["path"], annotation["start_line"]) == ("ü/a b.py ", 1)
    assert not {"\x1b", "\u202e", "\0", "\ud800"} & set(run["output"]["title"] + annotation["title"])


def test_a_check_without_a_link_or_times_is_shown(world: GitHubWorldOf) -> None:
    world.host.send(replace(PASSED, started_at=None, completed_at=None, details_url=None), None, maybe_sent=False)

    assert [run["conclusion"] for run in world.repository.check_runs] == ["success"]


def test_a_check_of_what_is_not_affected_is_skipped_and_passes(
    world: GitHubWorldOf,
) -> None:
    world.host.send(replace(PASSED, conclusion=Conclusion.SKIPPED, title="not affected"), None, maybe_sent=False)

    assert [run["conclusion"] for run in world.repository.check_runs] == ["skipped"]


@pytest.mark.parametrize(
    ("notice", "state"),
    [
        (RUNNING, "pending"),
        (replace(RUNNING, status=CheckStatus.QUEUED), "pending"),
        (PASSED, "success"),
        (replace(PASSED, conclusion=Conclusion.FAILURE), "failure"),
        (replace(PASSED, conclusion=Conclusion.CANCELLED), "error"),
        (replace(PASSED, conclusion=Conclusion.SKIPPED, title="not affected"), "success"),
    ],
)
def test_with_a_plain_token_checks_are_commit_statuses(
    token_world: GitHubWorldOf, notice: CheckNotice, state: str
) -> None:
    token_world.host.send(replace(notice, details_url="https://x.example", title="x" * 200), None, maybe_sent=False)

    [status] = token_world.repository.statuses
    assert (status["context"], status["state"], status["target_url"]) == (NAME, state, "https://x.example")
    assert len(status["description"]) == 140


def test_what_a_token_made_is_not_mistaken_for_an_apps(world: GitHubWorldOf) -> None:
    world.host.send(PASSED, "status/1001", maybe_sent=False)

    assert len(world.repository.check_runs) == 1


def test_a_deployment_merges_nothing_waits_for_no_checks_and_is_not_transient(world: GitHubWorldOf) -> None:
    world.host.send(
        replace(UP, log_url="https://x.example/runs/1", environment_url="https://shop.example"), None, maybe_sent=False
    )

    asked = json.loads(world.github.asked("POST", "/deployments")[0].body)
    assert asked["auto_merge"] is False
    assert asked["required_contexts"] == []
    [made] = world.repository.deployments
    assert (made["environment"], made["production_environment"], made["transient_environment"]) == (
        "production",
        True,
        False,
    )
    [status] = world.repository.deployment_statuses[made["id"]]
    assert (status["log_url"], status["environment_url"]) == ("https://x.example/runs/1", "https://shop.example")


def test_a_deployment_whose_payload_comes_back_as_text_is_found(world: GitHubWorldOf) -> None:
    first = world.host.send(UP, None, maybe_sent=False)
    world.repository.deployments[0]["payload"] = json.dumps(world.repository.deployments[0]["payload"])

    assert world.host.send(UP, None, maybe_sent=True) == first


def test_what_succeeds_makes_the_services_earlier_deployments_there_inactive(world: GitHubWorldOf) -> None:
    """Also in production, where GitHub does not; and what succeeded later is not touched by news of the earlier one."""
    live = replace(UP, state=DeploymentState.SUCCESS, is_production=True, environment="production")
    failed = replace(live, run_id="run-0", state=DeploymentState.FAILURE)
    frontend = replace(live, service="frontend")
    older, newer = replace(live, run_id="run-2"), replace(live, run_id="run-3")
    numbers = {
        notice: world.host.send(notice, None, maybe_sent=False) for notice in (failed, live, frontend, older, newer)
    }
    world.host.send(replace(older, description="told again"), numbers[older], maybe_sent=False)

    def states(notice: DeploymentNotice) -> list[str]:
        return [each["state"] for each in world.repository.deployment_statuses[int(numbers[notice])]]

    assert (states(failed), states(live), states(frontend)) == (["failure"], ["success", "inactive"], ["success"])
    assert states(older) == ["success", "inactive", "success", "inactive"]
    assert states(newer) == ["success"]


def test_a_deployment_by_somebody_else_is_not_taken_for_ours(world: GitHubWorldOf) -> None:
    world.repository.deployments.append(
        {"id": 1, "sha": SHA, "environment": "production", "payload": "by hand", "transient_environment": False}
    )

    assert world.host.send(UP, None, maybe_sent=True) != "1"


def test_the_comment_is_found_on_a_later_page_and_only_if_it_is_ours(world: GitHubWorldOf) -> None:
    stranger = Identity("mallory", "user", {})
    for _ in range(150):
        comment_as(world.github, world.repository, PULL_REQUEST, stranger, f"{MARK}\nnot ours")
    bot = Identity("shopkart-pipeline[bot]", "installation", {}, app=world.github.app)
    ours = comment_as(world.github, world.repository, PULL_REQUEST, bot, f"{MARK}\nold")

    assert world.host.send(HELLO, None, maybe_sent=False) == str(ours["id"])

    assert [each["body"] for each in world.repository.comments if each["body"] != f"{MARK}\nnot ours"] == [
        f"{MARK}\nhello"
    ]


def test_a_comment_of_a_tokens_owner_is_known_by_its_author(token_world: GitHubWorldOf) -> None:
    first = token_world.host.send(HELLO, None, maybe_sent=False)

    assert token_world.host.send(replace(HELLO, body="more"), None, maybe_sent=False) == first


def test_findings_are_handed_in_as_github_wants_them(world: GitHubWorldOf) -> None:
    world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(_record("lint", "backend/a.py"), _record("image", None)))

    [upload] = world.repository.sarif_uploads
    assert upload["categories"] == ["shopkart/backend/lint", "shopkart/backend/image"]
    first, second = (run["results"][0] for run in upload["document"]["runs"])
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert second["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "shopkart/backend"}
    assert first["partialFingerprints"]["primaryLocationLineHash"]


def test_vulnerabilities_are_rated_by_their_rules(world: GitHubWorldOf) -> None:
    scan = _record("image", None, Severity.CRITICAL, Severity.LOW)
    assert isinstance(scan.result, Evidence)
    of_packages = tuple(replace(finding, rule="CVE-1", package="jinja2") for finding in scan.result.findings)
    scan = replace(scan, result=replace(scan.result, findings=of_packages))

    world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(scan, _record("lint", "a.py")))

    first, second = (run["tool"]["driver"]["rules"] for run in world.repository.sarif_uploads[0]["document"]["runs"])
    assert [rule["properties"] for rule in first] == [{"security-severity": "9.5", "tags": ["security"]}]
    assert [rule["properties"] for rule in second] == [{}]


def test_a_stage_without_evidence_takes_no_alert_away(world: GitHubWorldOf) -> None:
    missing = replace(_record("secrets", "a.py"), result=EvidenceMissing("it crashed"))

    world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(missing, _record("lint", "a.py")))

    assert world.repository.sarif_uploads[0]["categories"] == ["shopkart/backend/lint"]
    with pytest.raises(Refused, match="missing"):
        world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(missing))


def test_of_too_many_findings_the_most_severe_are_shown(world: GitHubWorldOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_github_scans, "_RESULTS", 2)
    severities = (Severity.LOW, Severity.CRITICAL, Severity.MEDIUM)

    world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(_record("lint", "a.py", *severities)))

    [run] = world.repository.sarif_uploads[0]["document"]["runs"]
    assert [each["level"] for each in run["results"]] == ["error", "warning"]


def test_findings_that_are_too_large_even_compressed_are_refused(
    world: GitHubWorldOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_github_scans, "_COMPRESSED_BYTES", 100)

    with pytest.raises(Refused, match="compressed"):
        world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(_record("lint", "a.py")))


@pytest.mark.parametrize("sarif", [b"", b"<html>", b'{"runs": '])
def test_what_is_no_document_is_refused(world: GitHubWorldOf, sarif: bytes) -> None:
    with pytest.raises(Refused, match="no SARIF"):
        world.host.send(SCAN, None, maybe_sent=False, sarif=sarif)


def test_code_scanning_that_is_off_is_said_plainly(world: GitHubWorldOf) -> None:
    world.repository.has_code_scanning = False

    with pytest.raises(Refused, match="Advanced Security must be enabled"):
        world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(_record("lint", "a.py")))


def test_what_goes_over_the_wire_is_gzip_in_base64(world: GitHubWorldOf) -> None:
    world.host.send(SCAN, None, maybe_sent=False, sarif=_sarif(_record("lint", "a.py")))

    body = json.loads(world.github.asked("POST", "/sarifs")[0].body)
    assert json.loads(gzip.decompress(base64.b64decode(body["sarif"])))["version"] == "2.1.0"
    assert (body["commit_sha"], body["ref"]) == (SHA, "refs/heads/main")


@pytest.mark.parametrize(
    ("notice", "lost", "named"),
    [
        (PASSED, ["checks"], "checks=write"),
        (UP, ["deployments"], "deployments=write"),
        # Either of them is enough for a comment.
        (HELLO, ["pull_requests", "issues"], "pull_requests="),
        (SCAN, ["security_events"], "security_events=write"),
    ],
    ids=["check", "deployment", "comment", "scan"],
)
def test_a_lost_permission_is_named(world: GitHubWorldOf, notice: Any, lost: list[str], named: str) -> None:
    for permission in lost:
        del world.github.app.permissions[permission]

    with pytest.raises(Refused, match=named):
        world.host.send(notice, None, maybe_sent=False, sarif=_sarif(_record("lint", "a.py")))


def test_what_github_does_not_know_is_refused(world: GitHubWorldOf) -> None:
    with pytest.raises(Refused, match="No commit found"):
        world.host.send(replace(PASSED, sha="c" * 40), None, maybe_sent=False)
    with pytest.raises(Refused, match="404"):
        world.host.send(replace(HELLO, number=99), None, maybe_sent=False)
    with pytest.raises(Refused, match="404"):
        world.host.send(replace(PASSED, repository="shopkart/other"), None, maybe_sent=False)


@pytest.mark.parametrize("repository", ["", "storefront", "a/b/c", "../app", "shopkart/..", "a/b?x", "a b/c"])
def test_what_is_no_repository_is_never_asked_for(world: GitHubWorldOf, repository: str) -> None:
    before = len(world.github.requests)

    with pytest.raises(Refused, match="no repository"):
        world.host.send(replace(HELLO, repository=repository), None, maybe_sent=False)

    assert len(world.github.requests) == before


def test_credentials_that_ended_lose_nothing(world: GitHubWorldOf) -> None:
    world.github.app.new_key()
    world.github.tokens.clear()

    with pytest.raises(TryLater, match="give a new one") as caught:
        world.host.send(PASSED, None, maybe_sent=False)

    assert caught.value.everything
    assert caught.value.until == world.github.clock.now() + timedelta(minutes=5)


@pytest.mark.parametrize("notice", [PASSED, UP, HELLO], ids=["check", "deployment", "comment"])
def test_an_answer_that_makes_no_sense_waits_and_doubles_nothing(world: GitHubWorldOf, notice: Any) -> None:
    world.github.troubles.make(Trouble(writing=True, status=201, message="all is well"))

    with pytest.raises(TryLater, match="not as it should be") as caught:
        world.host.send(notice, None, maybe_sent=False)
    assert not caught.value.everything

    world.host.send(notice, None, maybe_sent=True)
    assert len(world.seen()) == 1


def test_a_slow_github_takes_no_longer_than_a_tick_has(world: GitHubWorldOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_host, "_SEND_SECONDS", 0.5)
    notice = replace(PASSED, annotations=remarks(range(1, 201)))
    world.github.troubles.make(Trouble(times=10, writing=True, delay_seconds=0.3))
    with pytest.raises(TryLater, match="slow"):
        world.host.send(notice, None, maybe_sent=False)
    world.github.troubles.coming.clear()

    world.host.send(notice, None, maybe_sent=True)

    [run] = world.repository.check_runs
    assert (run["conclusion"], run["output"]["annotations_count"]) == ("success", 200)


def test_checks_of_other_commits_stay_apart(world: GitHubWorldOf) -> None:
    world.host.send(PASSED, None, maybe_sent=False)

    world.host.send(replace(PASSED, sha=OTHER_SHA), None, maybe_sent=True)

    assert [run["head_sha"] for run in world.repository.check_runs] == [SHA, OTHER_SHA]


def _record(stage: str, path: str | None, *severities: Severity) -> StageRecord:
    findings = tuple(
        Finding(f"R{number}", severity, "bad", f"{number:024}", path, 3 if path else None)
        for number, severity in enumerate(severities or (Severity.HIGH,))
    )
    evidence = Evidence(Tool("ruff", "0.14"), "looked", findings=findings)
    return StageRecord("backend", "42-a", stage, "run", NOON, NOON, SHA, None, evidence)


def _sarif(*records: StageRecord) -> bytes:
    return json.dumps(sarif_log(records)).encode()
