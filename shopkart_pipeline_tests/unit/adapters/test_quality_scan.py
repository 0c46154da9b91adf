"""Who judges new code: the declared server where it may be asked, the embedded analysis where not, and it says why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._sonarqube_access import Access
from shopkart_pipeline.adapters.quality_scan import QualityScan
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.scan_requests import a_request, a_stage, evidence_of, reason_of
from shopkart_pipeline_tests.sonarqube_worlds import of_pull_request


def server(result: Evidence | EvidenceMissing | None = None, unavailable: str | None = None) -> FakeScanner:
    return FakeScanner("sonarqube", result or Evidence(Tool("sonarqube", "2025.1"), "asked"), unavailable)


def embedded(result: Evidence | EvidenceMissing | None = None) -> FakeScanner:
    return FakeScanner("new-code", result or Evidence(Tool("new-code", "1"), "looked", notes=("A note.",)))


def request(folder: Path, *, declared: bool = True) -> ScanRequest:
    options = {"server": "https://sonarqube.shopkart.example"} if declared else {}
    return a_request(folder, {}, stage=a_stage(StageKind.QUALITY, options=options))


ACCESS = Access("squ_1")


def test_a_declared_server_judges(tmp_path: Path) -> None:
    run = QualityScan(server(), embedded(), ACCESS).scan(request(tmp_path))

    assert evidence_of(run).summary == "asked"


def test_without_a_declared_server_the_embedded_analysis_judges_without_a_word(tmp_path: Path) -> None:
    run = QualityScan(server(), embedded(), ACCESS).scan(request(tmp_path, declared=False))

    assert (evidence_of(run).summary, evidence_of(run).notes) == ("looked", ("A note.",))


def test_a_pull_request_is_judged_by_the_embedded_analysis_which_says_why(tmp_path: Path) -> None:
    asked, proposed = server(), request(tmp_path)
    proposed = replace(proposed, release=of_pull_request(proposed.release))

    run = QualityScan(asked, embedded(), ACCESS).scan(proposed)

    notes = ("A note.", "SonarQube was not asked: a pull request never sees the server's token.")
    assert evidence_of(run).notes == notes
    assert evidence_of(run).measures == {"sonarqube_asked": 0}
    assert asked.requests == []


@pytest.mark.parametrize(
    ("access", "unavailable", "reason"),
    [(Access(""), None, "no token is configured (SHOPKART_SONAR_TOKEN)"), (ACCESS, "no scanner", "no scanner")],
)
def test_a_server_that_can_not_be_asked_is_named_in_the_evidence(
    tmp_path: Path, access: Access, unavailable: str | None, reason: str
) -> None:
    run = QualityScan(server(unavailable=unavailable), embedded(), access).scan(request(tmp_path))

    assert evidence_of(run).notes[-1] == f"SonarQube was not asked: {reason}."


def test_a_server_that_fails_is_not_replaced_by_another_tool(tmp_path: Path) -> None:
    other = embedded()

    run = QualityScan(server(EvidenceMissing("it is down")), other, ACCESS).scan(request(tmp_path))

    assert reason_of(run) == "it is down"
    assert other.requests == []


def test_where_neither_gives_evidence_there_is_none(tmp_path: Path) -> None:
    run = QualityScan(server(unavailable="no scanner"), embedded(EvidenceMissing("no code")), ACCESS).scan(
        request(tmp_path)
    )

    assert reason_of(run) == "no code"


@dataclass
class Telling(FakeScanner):
    """Tells what its result depends on."""

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return {"ruff": "1"}


def test_a_result_of_the_embedded_analysis_may_be_reused_by_those_who_ask_no_server_either(tmp_path: Path) -> None:
    declared, undeclared = request(tmp_path / "a"), request(tmp_path / "b", declared=False)
    proposed = replace(declared, release=of_pull_request(declared.release))
    scan = QualityScan(server(), Telling("new-code"), ACCESS)

    assert scan.inputs(undeclared) == {"ruff": "1"}
    assert scan.inputs(proposed) == {
        "ruff": "1",
        "sonarqube": "not asked: a pull request never sees the server's token",
    }


def test_a_result_of_a_server_is_never_reused(tmp_path: Path) -> None:
    assert QualityScan(server(), Telling("new-code"), ACCESS).inputs(request(tmp_path)) is None


def test_it_is_unavailable_only_if_both_are() -> None:
    gone = FakeScanner("new-code", reason_unavailable="no ruff")

    assert QualityScan(server(unavailable="no token"), embedded(), ACCESS).unavailable() is None
    both = QualityScan(server(unavailable="no token"), gone, ACCESS).unavailable()
    assert both == "sonarqube: no token; new-code: no ruff"
