"""SonarQube as a whole: what the scanner is told, what is read from the server, and where the token is not."""

import base64
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _sonarqube_scanner
from shopkart_pipeline.adapters._sonarqube_access import Access
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.fakes.sonarqube_server import (
    ANALYSIS,
    NEW,
    OLD,
    PROJECT,
    FakeSonarQube,
    a_hotspot,
    an_issue,
    as_json,
    running,
)
from shopkart_pipeline_tests.scan_requests import BASE, SHA, a_release, evidence_of, reason_of
from shopkart_pipeline_tests.sonarqube_worlds import TOKEN, SonarWorld, of_pull_request, replying


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=[OLD, NEW], ids=["9.9", "2025.1"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def world(tmp_path: Path) -> Generator[SonarWorld]:
    with running(FakeSonarQube(TOKEN)) as server:
        yield SonarWorld(tmp_path, server)


# What the server says.


def test_a_clean_analysis_has_the_measures_that_the_shipped_gates_ask_for(world: SonarWorld, version: str) -> None:
    world.server.version = version

    evidence = evidence_of(world.scan())

    assert evidence.measures == {
        "new_violations": 0,
        "new_coverage_percent": 91.25,
        "new_duplicated_lines_percent": 1.5,
        "new_security_hotspots_reviewed_percent": 100,
        "new_lines": 120,
        "violations": 7,
        "quality_gate_ok": 1,
        "lines_of_code": 900,
    }
    assert evidence.facts["quality_gate"] == "OK"
    assert evidence.facts["analysis"] == ANALYSIS
    assert evidence.facts["dashboard"] == f"{world.server.address}/dashboard?id={PROJECT}"
    assert evidence.facts["new_code"] == "previous_version base-0000 2025-03-03T09:00:00+0000"
    assert evidence.notes == ()


def test_tool_version_and_rules_are_the_servers(world: SonarWorld) -> None:
    tool = evidence_of(world.scan()).tool

    assert (tool.name, tool.version) == ("sonarqube", NEW)
    assert tool.rules == "quality gate Sonar way; quality profiles py Sonar way of 2025-02-01T10:00:00+0000"


def test_a_failing_gate_is_evidence_and_names_its_conditions(world: SonarWorld) -> None:
    world.server.measures |= {"new_violations": (None, "2"), "new_coverage": (None, "71.2")}
    conditions = [
        {
            "status": "ERROR",
            "metricKey": "new_coverage",
            "comparator": "LT",
            "errorThreshold": "80",
            "actualValue": "71.2",
        },
        {"status": "OK", "metricKey": "new_reliability_rating", "comparator": "GT", "errorThreshold": "1"},
    ]
    world.server.gate = {"status": "ERROR", "conditions": conditions, "ignoredConditions": True}

    evidence = evidence_of(world.scan())

    assert evidence.measures["quality_gate_ok"] == 0
    assert (evidence.measures["new_violations"], evidence.measures["new_coverage_percent"]) == (2, 71.2)
    assert evidence.summary == "quality gate ERROR; 2 new violations"
    assert evidence.notes == (
        "The server's quality gate fails: new_coverage 71.2 < 80.",
        "The server ignored coverage and duplication in its gate, since few lines are new.",
    )


def test_a_project_without_a_gate_has_no_gate_that_is_ok(world: SonarWorld) -> None:
    world.server.gate = {"status": "NONE", "conditions": []}

    evidence = evidence_of(world.scan())

    assert "quality_gate_ok" not in evidence.measures
    assert evidence.notes == ("The project has no quality gate on the server.",)


def test_issues_become_findings_and_the_old_ones_are_known(world: SonarWorld, version: str) -> None:
    world.server.version = version
    world.server.issues = [
        an_issue("AY-1", severity="CRITICAL", impacts=[{"softwareQuality": "SECURITY", "severity": "BLOCKER"}]),
        an_issue("AY-2", severity="MINOR", component=f"{PROJECT}:servicekit/kit.py", line=1),
    ]
    world.server.new_issues = {"AY-1"}

    first, second = evidence_of(world.scan()).findings

    assert (first.rule, first.path, first.line, first.is_new) == ("python:S1192", "backend/app.py", 2, True)
    assert first.severity is (Severity.HIGH if version == OLD else Severity.CRITICAL)
    assert (first.fingerprint, first.fix_unknown) == ("AY-1", True)
    assert first.link == f"{world.server.address}/project/issues?id={PROJECT}&open=AY-1"
    assert (second.path, second.severity, second.is_new) == ("servicekit/kit.py", Severity.LOW, False)


def test_hotspots_that_nobody_reviewed_are_findings(world: SonarWorld, version: str) -> None:
    world.server.version = version
    world.server.hotspots = [a_hotspot("H1", vulnerabilityProbability="HIGH"), a_hotspot("H2", ruleKey=None)]
    world.server.measures |= {"new_security_hotspots": (None, "2"), "new_security_hotspots_reviewed": (None, "0.0")}

    evidence = evidence_of(world.scan())

    assert evidence.measures["new_security_hotspots_reviewed_percent"] == 0
    assert [(one.rule, one.severity) for one in evidence.findings] == [
        ("python:S5332", Severity.HIGH),
        ("security-hotspot:encrypt-data", Severity.LOW),
    ]
    assert world.server.asked("/api/hotspots/search")[0].parameters["inNewCodePeriod"] == "true"


def test_long_lists_are_read_page_by_page_the_worst_first(world: SonarWorld) -> None:
    world.server.issues = [an_issue(f"AY-{number}") for number in range(1200)]

    evidence = evidence_of(world.scan())

    pages = [one.parameters["p"] for one in world.server.asked("/api/issues/search") if len(one.parameters) == 6]
    assert pages == ["1", "2", "3"]
    assert len(evidence.findings) == 1200
    assert evidence.notes == ()
    asked = world.server.asked("/api/issues/search")[0].parameters
    assert (asked["s"], asked["asc"], asked["resolved"]) == ("SEVERITY", "false", "false")


def test_a_list_ends_at_ten_thousand_and_says_so(world: SonarWorld) -> None:
    issues = [an_issue(f"AY-{number}") for number in range(10_700)]
    world.server.issues, world.server.new_issues = issues, {"AY-10699"}

    evidence = evidence_of(world.scan())

    assert evidence.notes == ("Of 10700 issues 10000 are listed: the server tells no more.",)
    assert [one.fingerprint for one in evidence.findings if one.is_new] == ["AY-10699"]
    assert len(evidence.findings) == 10_001


def test_raw_answers_are_kept(world: SonarWorld) -> None:
    assert [report.name for report in world.scan().raw] == ["quality-gate.json", "measures.json"]


# What the scanner is told.


def test_the_scanner_is_told_address_project_and_commit(world: SonarWorld) -> None:
    world.scan()

    settings = world.submitted["settings"]
    assert settings["sonar.host.url"] == world.server.address
    assert settings["sonar.scanner.apiBaseUrl"] == f"{world.server.address}/api/v2"
    assert settings["sonar.projectKey"] == PROJECT
    assert settings["sonar.buildString"] == a_release().key
    assert settings["sonar.scm.revision"] == SHA
    assert settings["sonar.projectVersion"] == f"base-{BASE[:12]}"
    assert settings["sonar.sources"] == settings["sonar.tests"] == "backend,servicekit"
    assert "**/tests/**" in settings["sonar.exclusions"] == settings["sonar.test.inclusions"]
    assert "sonar.branch.name" not in settings


def test_project_and_branch_can_be_declared(world: SonarWorld) -> None:
    world.server.task |= {"branch": "main", "branchType": "BRANCH"}
    options = {"server": f"{world.server.address}/", "project": PROJECT, "branch": "main"}

    evidence_of(world.scan(options=options))

    assert world.submitted["settings"]["sonar.branch.name"] == "main"
    paths = ("/api/measures/component", "/api/issues/search", "/api/hotspots/search", "/api/project_analyses/search")
    assert [world.server.asked(path)[0].parameters["branch"] for path in paths] == ["main"] * 4


def test_the_scanner_sees_a_copy_of_the_services_folders(world: SonarWorld) -> None:
    request = world.request()
    world.scanner().scan(request)

    files = world.submitted["files"]
    assert {"backend/app.py", "servicekit/kit.py"} <= set(files)
    assert "frontend/app.py" not in files
    assert not world.submitted["settings"]["sonar.projectBaseDir"].startswith(str(request.tree))


def test_coverage_is_handed_over_by_paths_of_the_repository(world: SonarWorld) -> None:
    world.scan()

    report = world.submitted["files"][world.submitted["settings"]["sonar.python.coverage.reportPaths"]]
    assert 'filename="backend/app.py"' in report
    assert "somewhere" not in report
    assert "gone.py" not in report


def test_coverage_as_lcov_is_handed_over_too(world: SonarWorld) -> None:
    (world.folder / "coverage.info").write_text("SF:app.py\nDA:1,1\nDA:2,0\nend_of_record\n")
    request = world.request(coverage=None)
    reports = {"unit_tests/coverage.info": world.folder / "coverage.info"}

    evidence_of(world.scanner().scan(replace(request, reports=reports)))

    report = world.submitted["files"][world.submitted["settings"]["sonar.javascript.lcov.reportPaths"]]
    assert report == "SF:backend/app.py\nDA:1,1\nDA:2,0\nend_of_record\n"


@pytest.mark.parametrize(("coverage", "words"), [(None, "left no report"), ("<html/>", "can't be read")])
def test_without_coverage_the_evidence_says_so(world: SonarWorld, coverage: str | None, words: str) -> None:
    evidence = evidence_of(world.scan(coverage=coverage))

    assert words in evidence.notes[0]
    assert "sonar.python.coverage.reportPaths" not in world.submitted["settings"]


def test_the_repositorys_own_scanner_settings_have_no_say(world: SonarWorld) -> None:
    evil = "sonar.host.url=http://evil.example\nsonar.scanner.javaOpts=-javaagent:evil.jar\n"
    files = {
        "sonar-project.properties": evil,
        "pyproject.toml": "[tool.sonar.scanner]\nengine-jar-path = 'evil.jar'\n",
        "package.json": '{"name": "evil"}',
        ".coveragerc/is_a_folder": "",
    }

    evidence_of(world.scan(files))

    assert not {name for name in world.submitted["files"] if "/" not in name} - {".shopkart-coverage.xml"}
    assert ".coveragerc/is_a_folder" not in world.submitted["files"]
    assert world.submitted["settings"]["sonar.host.url"] == world.server.address


def test_a_link_that_leaves_the_repository_is_not_shown_to_the_server(world: SonarWorld) -> None:
    (world.folder / "secret").write_text("webhook secret")
    request = world.request()
    for name, target in (("leaving", "../../../secret"), ("staying", "app.py"), ("loop", "loop"), ("up", "/")):
        (request.tree / "backend" / name).symlink_to(target)

    evidence_of(world.scanner().scan(request))

    files = world.submitted["files"]
    assert "backend/staying" in files
    assert not {"backend/leaving", "backend/up"} & set(files)
    assert "webhook secret" not in files.values()


def test_a_service_that_is_not_in_the_repository_is_no_evidence(world: SonarWorld) -> None:
    request = world.request()
    request = replace(request, tree=world.folder / "empty")
    request.tree.mkdir()

    assert reason_of(world.scanner().scan(request)) == "the service's paths are not in the repository"


def test_a_report_that_lies_in_the_repository_is_not_the_scanners(world: SonarWorld) -> None:
    world.install(report={"ceTaskId": "nothing"})
    request = world.request({".scannerwork/report-task.txt": "ceTaskId=AY1\n", "backend/a.py": ""})
    request = replace(request, service=replace(request.service, source=replace(request.service.source, path=".")))

    reason = reason_of(world.scanner().scan(request))

    assert "does not say which task" in reason


# The token.


def test_the_token_reaches_scanner_and_server_and_nothing_else(world: SonarWorld) -> None:
    world.server.issues = [an_issue("AY-1", message=f"The password {TOKEN} is hard-coded.")]

    run = world.scan()

    assert world.submitted["variables"]["SONAR_TOKEN"] == TOKEN
    assert not any(TOKEN in word for word in world.submitted["arguments"])
    protected = [one for one in world.server.seen if one.path != "/api/server/version"]
    assert {one.authorization for one in protected} == {f"Bearer {TOKEN}"}
    told = world.told(run)
    assert "scanner with [redacted] and [redacted]" in told
    assert "The password [redacted] is hard-coded." in told
    assert TOKEN not in told
    assert base64.b64encode(f"{TOKEN}:".encode()).decode() not in told


@pytest.mark.parametrize("exit_code", [1, 3])
def test_a_scanner_that_fails_with_the_token_on_its_lips_leaves_it_nowhere(world: SonarWorld, exit_code: int) -> None:
    world.install(exit_code=exit_code)

    run = world.scan()

    assert reason_of(run) == f"sonar-scanner ended with exit code {exit_code}: INFO: EXECUTION FAILURE [redacted]"
    assert TOKEN not in world.told(run)


def test_a_server_that_echoes_the_token_does_not_spread_it(world: SonarWorld) -> None:
    world.server.replies["/api/ce/task"] = replying(as_json({"error": f"no access with {TOKEN}"}, 403))

    run = world.scan()

    assert "[redacted]" in reason_of(run)
    assert TOKEN not in world.told(run)


def test_the_token_is_not_in_the_words_for_its_keeper() -> None:
    assert TOKEN not in repr(Access(TOKEN))


def test_a_redirect_to_another_server_does_not_get_the_token(world: SonarWorld) -> None:
    with running(FakeSonarQube(TOKEN)) as other:
        elsewhere = other.address.replace("127.0.0.1", "localhost") + "/api/ce/task?id=x"
        world.server.replies["/api/ce/task"] = replying((302, "text/plain", elsewhere.encode()))

        run = world.scan()

    reason_of(run)
    assert {one.authorization for one in other.seen} <= {""}


def test_a_pull_request_never_sees_the_token(world: SonarWorld) -> None:
    run = world.scan(release=of_pull_request(a_release()))

    assert reason_of(run) == "a pull request never sees the server's token"
    assert world.server.seen == []


def test_the_end_of_an_endless_log_is_kept_without_a_torn_token(
    world: SonarWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sonarqube_scanner, "MAXIMUM_REPORT_BYTES", 100)

    world.scan()

    assert (world.folder / "logs" / "stage.log").read_text() == "INFO: EXECUTION SUCCESS [redacted]\n"


# Where new code begins.


def test_new_code_that_begins_elsewhere_than_at_the_base_is_noted(world: SonarWorld) -> None:
    began = {"key": "A0", "date": "2025-03-03T09:00:00+0000", "revision": "d00d" + "0" * 36}
    world.server.analyses.append(began)

    evidence = evidence_of(world.scan())

    assert evidence.notes == (
        "SonarQube calls new what came after d00d00000000, while this release is measured against ba5e00000000.",
    )


def test_new_code_that_begins_at_the_base_needs_no_note(world: SonarWorld) -> None:
    world.server.analyses.append({"key": "A0", "date": "2025-03-03T09:00:00+0000", "revision": BASE})

    assert evidence_of(world.scan()).notes == ()


def test_for_the_first_analysis_all_code_is_new(world: SonarWorld) -> None:
    world.server.period = None
    world.server.issues = [an_issue("AY-1"), an_issue("AY-2")]

    evidence = evidence_of(world.scan())

    assert (evidence.measures["new_violations"], evidence.measures["new_coverage_percent"]) == (7, 61)
    assert [one.is_new for one in evidence.findings] == [True, True]
    assert evidence.facts["new_code"] == "all"
    assert evidence.notes == ("SonarQube knows no earlier version of this project: all code counts as new.",)


# Whether it can be used.


def test_it_is_available_with_token_and_scanner(world: SonarWorld) -> None:
    assert world.scanner().unavailable() is None


def test_without_a_token_it_is_unavailable(world: SonarWorld) -> None:
    world.access = Access("")

    assert world.scanner().unavailable() == "no token is configured (SHOPKART_SONAR_TOKEN)"
    assert reason_of(world.scan()) == "no token is configured (SHOPKART_SONAR_TOKEN)"


def test_without_a_scanner_it_is_unavailable(world: SonarWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (world.programs / "sonar-scanner").unlink()

    assert "no SonarQube scanner is installed" in str(world.scanner().unavailable())
    assert "no SonarQube scanner is installed" in reason_of(world.scan())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "names no SonarQube server"),
        ({"server": "sonarqube.example"}, "`server` is no address"),
        ({"server": "https://me:secret@sonarqube.example"}, "`server` is no address"),
        ({"server": "https://sonarqube.example/?x=1"}, "`server` is no address"),
        ({"server": "file:///etc/passwd"}, "`server` is no address"),
        ({"server": "https://sonarqube.example", "project": "a b"}, "`project` is no project key"),
        ({"server": "https://sonarqube.example", "project": "123"}, "`project` is no project key"),
        ({"server": "https://sonarqube.example", "branch": "-Dsonar.login=x y"}, "`branch` is no branch name"),
    ],
)
def test_options_that_can_not_be_meant_are_refused(world: SonarWorld, options: dict[str, str], words: str) -> None:
    assert words in reason_of(world.scan(options=options))
    assert world.server.submitted == []
