"""Where SonarQube gives no evidence: the reason is said, and nothing is taken for a pass."""

import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._sonarqube_access import Access
from shopkart_pipeline_tests.fakes.sonarqube_server import (
    ANALYSIS,
    PROJECT,
    TASK,
    FakeSonarQube,
    Reply,
    a_hotspot,
    an_issue,
    as_json,
    running,
)
from shopkart_pipeline_tests.scan_requests import evidence_of, reason_of
from shopkart_pipeline_tests.sonarqube_worlds import TOKEN, SonarWorld, replying

HTML = (200, "text/html", b"<html><body>Please log in</body></html>")
API = [
    "/api/ce/task",
    "/api/qualitygates/project_status",
    "/api/qualitygates/get_by_project",
    "/api/qualityprofiles/search",
    "/api/measures/component",
    "/api/project_analyses/search",
    "/api/issues/search",
    "/api/hotspots/search",
]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def world(tmp_path: Path) -> Generator[SonarWorld]:
    with running(FakeSonarQube(TOKEN)) as server:
        yield SonarWorld(tmp_path, server)


# The task.


def test_a_task_that_failed_says_why(world: SonarWorld) -> None:
    world.server.statuses = ["PENDING", "FAILED"]
    world.server.task = {"componentKey": PROJECT, "errorMessage": "The report is\nolder than the last one."}

    assert reason_of(world.scan()) == "SonarQube's analysis ended as FAILED: The report is older than the last one."


def test_a_task_that_was_canceled_is_no_evidence(world: SonarWorld) -> None:
    world.server.statuses = ["CANCELED"]

    assert "ended as CANCELED" in reason_of(world.scan())


def test_a_task_that_never_ends_ends_with_the_stages_time(world: SonarWorld) -> None:
    world.server.statuses = ["PENDING"]

    run = world.scan(timeout_seconds=120.0)

    assert reason_of(run) == "SonarQube's analysis was still PENDING when the time of the stage was over"
    assert world.clock.slept_seconds == pytest.approx(120.0, abs=0.5)
    assert 10 < len(world.server.asked("/api/ce/task")) < 25, "the pauses grow, but not without end"


def test_a_hint_of_the_webhook_ends_the_pause(world: SonarWorld) -> None:
    world.server.statuses = ["PENDING", "SUCCESS"]
    world.clock.meanwhile = lambda: world.hints.leave(TASK)

    evidence_of(world.scan())

    assert world.clock.slept_seconds == pytest.approx(0.2)
    assert list(world.hints.folder.iterdir()) == []


def test_a_hint_that_came_before_anybody_waited_is_cleared_away(world: SonarWorld) -> None:
    world.hints.leave(TASK)
    world.server.statuses = ["SUCCESS"]

    evidence_of(world.scan())

    assert list(world.hints.folder.iterdir()) == []


def test_a_hint_decides_nothing(world: SonarWorld) -> None:
    world.hints.leave(TASK)
    world.server.statuses = ["PENDING", "PENDING", "FAILED"]

    assert "ended as FAILED" in reason_of(world.scan())


@pytest.mark.parametrize(
    "task",
    [
        {"componentKey": "another_project", "analysisId": ANALYSIS},
        {"analysisId": ANALYSIS},
        {"componentKey": PROJECT, "analysisId": ANALYSIS, "pullRequest": "7"},
    ],
)
def test_a_task_about_something_else_does_not_count(world: SonarWorld, task: dict[str, str]) -> None:
    world.server.task = task

    assert "something else than this project" in reason_of(world.scan())


def test_a_task_about_another_branch_does_not_count(world: SonarWorld) -> None:
    options = {"server": world.server.address, "branch": "release"}

    assert "this project and branch" in reason_of(world.scan(options=options))


def test_a_task_without_an_analysis_is_no_evidence(world: SonarWorld) -> None:
    world.server.task = {"componentKey": PROJECT}

    assert reason_of(world.scan()) == "SonarQube's task made no analysis"


def test_another_analysis_in_between_leaves_no_evidence(world: SonarWorld) -> None:
    world.server.analyses.insert(0, {"key": "later", "date": "2025-03-04T12:01:00+0000"})

    assert "another analysis of the project came in between" in reason_of(world.scan())


# The server.


def test_a_server_that_is_not_there_is_said_to_be_so_before_the_scanner_runs(world: SonarWorld) -> None:
    run = world.scan(options={"server": "http://127.0.0.1:9"})

    assert "SonarQube does not answer GET http://127.0.0.1:9/api/server/version" in reason_of(run)
    assert not (world.folder / "logs").exists()


def test_a_wrong_token_is_said_without_telling_it(world: SonarWorld) -> None:
    world.access = Access("squ_wrong")

    run = world.scan()

    reason_of(run)
    assert "HTTP Error 401" in world.told(run)
    assert "squ_wrong" not in world.told(run)


def test_a_token_that_may_not_browse_is_told_by_the_status(world: SonarWorld) -> None:
    world.server.replies["/api/measures/component"] = replying(as_json({"errors": [{"msg": "no"}]}, 403))

    reason = reason_of(world.scan())

    assert "answered 403 to GET" in reason
    assert "Check the credentials and what they may do." in reason


@pytest.mark.parametrize("path", API)
def test_a_page_instead_of_an_answer_is_no_evidence_and_not_quoted(world: SonarWorld, path: str) -> None:
    world.server.replies[path] = replying(HTML)

    reason = reason_of(world.scan())

    assert reason.startswith(f"SonarQube answered GET {path} with something else than its documented answer.")
    assert "log in" not in reason


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"task": {"id": 7}}'])
def test_an_answer_that_is_none_is_no_evidence(world: SonarWorld, content: bytes) -> None:
    world.server.replies["/api/ce/task"] = replying((200, "application/json", content))

    assert "something else than its documented answer" in reason_of(world.scan())


@pytest.mark.parametrize("path", API)
def test_a_server_that_is_broken_is_no_evidence(world: SonarWorld, path: str) -> None:
    world.server.replies[path] = replying((503, "text/plain", b"SonarQube is starting"))

    assert "answered 503 to GET" in reason_of(world.scan())
    assert len(world.server.asked(path)) == 4, "it is tried again a few times"


def test_a_server_that_is_broken_for_a_moment_is_asked_again(world: SonarWorld) -> None:
    broken = [(502, "text/html", b"")]

    def moment(parameters: object) -> Reply:
        return broken.pop() if broken else as_json({"projectStatus": world.server.gate})

    world.server.replies["/api/qualitygates/project_status"] = moment

    evidence_of(world.scan())


def test_a_server_that_hangs_has_the_stages_time(world: SonarWorld) -> None:
    ended = threading.Event()

    def hang(parameters: object) -> Reply:
        ended.wait(10)
        return HTML

    world.server.replies["/api/server/version"] = hang
    try:
        assert "it ran out of time" in reason_of(world.scan(timeout_seconds=0.3))
    finally:
        ended.set()


@pytest.mark.parametrize("text", ["", "SonarQube", "<html>", "9", "8.9.10.61524", "2025"])
def test_a_version_that_is_none_or_too_old_is_refused(world: SonarWorld, text: str) -> None:
    world.server.version = text

    assert "SonarQube" in reason_of(world.scan())
    assert world.server.submitted == []


def test_a_status_that_is_not_documented_is_no_pass(world: SonarWorld) -> None:
    world.server.gate = {"status": "GREAT", "conditions": []}

    assert "project_status" in reason_of(world.scan())


def test_a_list_that_ends_too_early_is_no_evidence(world: SonarWorld) -> None:
    page = {"paging": {"total": 700}, "issues": []}
    world.server.replies["/api/issues/search"] = replying(as_json(page))

    assert "end before everything that they count was told" in reason_of(world.scan())


@pytest.mark.parametrize("ncloc", [None, "0"])
def test_an_analysis_of_nothing_is_no_pass(world: SonarWorld, ncloc: str | None) -> None:
    world.server.measures["ncloc"] = (ncloc, None)

    run = world.scan()

    assert reason_of(run) == "SonarQube found no code in the service's folders"
    assert len(run.raw) == 2


@pytest.mark.parametrize("text", ["many", "NaN", "1e999", ""])
def test_a_measure_that_is_no_number_is_no_evidence(world: SonarWorld, text: str) -> None:
    world.server.measures["new_coverage"] = (None, text)

    assert reason_of(world.scan()) == "SonarQube gives a measure that is no number"


# The scanner.


@pytest.mark.parametrize(
    "report",
    [
        {"ceTaskUrl": "http://evil.example/api/ce/task?id=1"},
        {"dashboardUrl": "http://evil.example/dashboard"},
        {"dashboardUrl": "javascript:alert(1)"},
        {"ceTaskUrl": "http://127.0.0.1/api/ce/task"},
        {"ceTaskUrl": "http://[broken"},
        {"ceTaskUrl": ""},
    ],
)
def test_a_report_that_names_another_server_is_no_evidence(world: SonarWorld, report: dict[str, str]) -> None:
    world.install(report=report)

    assert "another server than the declared one" in reason_of(world.scan())
    assert world.server.asked("/api/ce/task") == []


def test_an_address_with_somebody_elses_name_in_it_is_another_server(world: SonarWorld) -> None:
    host = world.server.address.removeprefix("http://")
    world.install(report={"dashboardUrl": f"http://me@{host}/dashboard"})

    assert "another server" in reason_of(world.scan())


@pytest.mark.parametrize("task_id", ["nothing", "", "../../etc", "a/b", "a" * 81, "x&id=y"])
def test_a_report_without_a_proper_task_is_no_evidence(world: SonarWorld, task_id: str) -> None:
    world.install(report={"ceTaskId": task_id})

    assert "does not say which task it has handed in" in reason_of(world.scan())


def test_a_scanner_that_can_not_be_started_is_no_evidence(world: SonarWorld) -> None:
    (world.programs / "sonar-scanner").write_text("#!/nowhere/python\n")

    assert "the scanner can't be started" in reason_of(world.scan())


def test_a_scanner_that_hangs_has_the_stages_time(world: SonarWorld) -> None:
    (world.programs / "sonar-scanner").write_text("#!/bin/sh\necho working with $SONAR_TOKEN\nexec sleep 60\n")

    run = world.scan(timeout_seconds=0.5)

    assert reason_of(run) == "sonar-scanner ran out of time"
    assert "working with [redacted]" in world.told(run)


# Hostile findings.


@pytest.mark.parametrize(
    "component",
    [
        f"{PROJECT}:../../etc/passwd",
        f"{PROJECT}:/etc/passwd",
        f"{PROJECT}:backend/../../x",
        f"{PROJECT}:backend\\..\\x",
        f"{PROJECT}:a\nb",
        f"{PROJECT}:",
        PROJECT,
        "another:backend/app.py",
    ],
)
def test_a_path_that_leaves_the_repository_is_not_taken_over(world: SonarWorld, component: str) -> None:
    world.server.issues = [an_issue("AY-1", component=component)]
    world.server.hotspots = [a_hotspot("H-1", component=component)]

    findings = evidence_of(world.scan()).findings

    assert [finding.path for finding in findings] == [None, None]


def test_strange_words_of_the_server_stay_small_and_count_as_bad(world: SonarWorld) -> None:
    strange = an_issue("../../x?&", severity="HARMLESS", message="m" * 9000, line=-1)
    world.server.issues = [strange, an_issue("AY-1", severity=None), strange]

    first, second = evidence_of(world.scan()).findings

    assert first.severity.name == second.severity.name == "UNKNOWN"
    assert (len(first.message), first.line) == (500, None)
    assert first.fingerprint.isalnum()
    assert "id=" + PROJECT + "&open=..%2F..%2Fx%3F%26" in str(first.link)
