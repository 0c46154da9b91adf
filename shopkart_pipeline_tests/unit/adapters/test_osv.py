"""Locks judged by the snapshot that lies in the repository."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.osv import OsvSnapshot
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.scan_requests import a_request, a_service, a_stage, evidence_of, reason_of

SNAPSHOT = snapshot_files(an_advisory(database_specific={"severity": "HIGH"}))
OLD = "h11==0.16.0\nstarlette==0.38.0\n"
SCANNER = OsvSnapshot(FixedClock(datetime(2025, 3, 4, 12, tzinfo=UTC)))


def test_a_vulnerable_package_is_a_finding_with_its_place_and_fix(tmp_path: Path) -> None:
    run = SCANNER.scan(a_request(tmp_path, {**SNAPSHOT, "backend/requirements.lock": OLD}))

    evidence = evidence_of(run)
    [finding] = evidence.findings
    assert (finding.rule, finding.package, finding.installed_version) == ("GHSA-0000-0000-0001", "starlette", "0.38.0")
    assert (finding.fixed_in, finding.severity) == ("0.40.0", Severity.HIGH)
    assert (finding.path, finding.line) == ("backend/requirements.lock", 2)
    assert evidence.measures == {
        "vulnerabilities": 1,
        "new_vulnerabilities": 1,
        "packages": 2,
        "advisories": 1,
        "snapshot_age_days": 3,
    }


def test_the_evidence_names_date_and_source_of_the_snapshot(tmp_path: Path) -> None:
    evidence = evidence_of(SCANNER.scan(a_request(tmp_path, {**SNAPSHOT, "backend/requirements.lock": "h11==0.16\n"})))

    assert evidence.notes == ("Judged by the dated advisory snapshot of 2025-03-01 (a test).",)
    assert "2025-03-01T12:00:00Z" in evidence.tool.rules


@pytest.mark.parametrize(("base", "is_new"), [(OLD, False), ("starlette==0.37.2\n", False), ("h11==0.16.0\n", True)])
def test_what_the_base_was_vulnerable_to_is_not_new(tmp_path: Path, base: str, is_new: bool) -> None:
    files = {**SNAPSHOT, "backend/requirements.lock": OLD}

    evidence = evidence_of(SCANNER.scan(a_request(tmp_path, files, {"backend/requirements.lock": base})))

    assert [finding.is_new for finding in evidence.findings] == [is_new]


def test_a_base_without_lock_makes_everything_new_and_says_so(tmp_path: Path) -> None:
    files = {**SNAPSHOT, "backend/requirements.lock": OLD}

    evidence = evidence_of(SCANNER.scan(a_request(tmp_path, files, {"readme": ""})))

    assert evidence.measures["new_vulnerabilities"] == 1
    assert "Everything counts as new" in evidence.notes[1]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"backend/requirements.lock": OLD}, "no usable advisory snapshot in advisories"),
        (
            snapshot_files(an_advisory(), count=9) | {"backend/requirements.lock": OLD},
            "1 advisories are there, 9 should",
        ),
        (SNAPSHOT, "backend/requirements.lock can't be read"),
        (SNAPSHOT | {"backend/requirements.lock": "# empty\n"}, "names no package"),
        (SNAPSHOT | {"backend/requirements.lock": "starlette\n"}, "not pinned"),
        (SNAPSHOT | {"backend/requirements.lock": "starlette===old\n"}, "unreadable version"),
    ],
)
def test_what_can_not_be_judged_is_no_evidence(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    assert reason in reason_of(SCANNER.scan(a_request(tmp_path, files)))


def test_lock_and_snapshot_are_declared_by_the_stage(tmp_path: Path) -> None:
    stage = a_stage(StageKind.DEPENDENCY_SCAN, options={"lock": "prod.txt", "advisories": "security/osv"})
    files = {path.replace("advisories", "security/osv"): text for path, text in SNAPSHOT.items()}
    request = a_request(tmp_path, {**files, "prod.txt": OLD}, stage=stage, service=a_service("."))

    assert evidence_of(SCANNER.scan(request)).findings[0].path == "prod.txt"
