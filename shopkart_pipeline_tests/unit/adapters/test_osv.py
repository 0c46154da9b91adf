"""Locks judged by the snapshot that lies in the repository."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.osv import OsvSnapshot
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.package_locks import package_lock
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
    assert evidence.notes[1] == (
        "More counts as new than is: of the base, backend has no lock: "
        "none of requirements.lock, npm-shrinkwrap.json, package-lock.json."
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"backend/requirements.lock": OLD}, "no usable advisory snapshot in advisories"),
        (
            snapshot_files(an_advisory(), count=9) | {"backend/requirements.lock": OLD},
            "1 advisories are there, 9 should",
        ),
        (SNAPSHOT, "backend has no lock: none of requirements.lock, npm-shrinkwrap.json, package-lock.json"),
        (SNAPSHOT | {"backend/requirements.lock": "# empty\n"}, "names no package"),
        (SNAPSHOT | {"backend/requirements.lock": "starlette\n"}, "not pinned"),
        (SNAPSHOT | {"backend/requirements.lock": "starlette===old\n"}, "unreadable version"),
    ],
)
def test_what_can_not_be_judged_is_no_evidence(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    assert reason in reason_of(SCANNER.scan(a_request(tmp_path, files)))


NPM = an_advisory(
    "GHSA-0000-0000-0002", package="minimist", ecosystem="npm", events=[{"introduced": "0"}, {"fixed": "1.2.6"}]
)
BOTH = snapshot_files(an_advisory(database_specific={"severity": "HIGH"}), NPM)
PACKAGE_LOCK = package_lock({"minimist": "1.2.0", "mkdirp/node_modules/minimist": "0.0.8"})


def test_every_lock_of_the_service_is_judged(tmp_path: Path) -> None:
    files = {**BOTH, "backend/requirements.lock": OLD, "backend/package-lock.json": PACKAGE_LOCK}

    evidence = evidence_of(SCANNER.scan(a_request(tmp_path, files)))

    assert [(one.package, one.path) for one in evidence.findings] == [
        ("minimist", "backend/package-lock.json"),
        ("starlette", "backend/requirements.lock"),
    ]
    assert evidence.measures["packages"] == 4


def test_several_vulnerable_versions_of_a_package_are_one_finding_that_names_them(tmp_path: Path) -> None:
    [finding] = evidence_of(
        SCANNER.scan(a_request(tmp_path, {**BOTH, "backend/package-lock.json": PACKAGE_LOCK}))
    ).findings

    assert (finding.installed_version, finding.fixed_in) == ("1.2.0, 0.0.8", "1.2.6")
    assert finding.line == PACKAGE_LOCK.splitlines().index('    "node_modules/minimist": {') + 1


def test_a_package_in_two_locks_names_both(tmp_path: Path) -> None:
    stage = a_stage(StageKind.DEPENDENCY_SCAN, options={"lock": "a/package-lock.json b/package-lock.json"})
    locks = {"backend/a/package-lock.json": PACKAGE_LOCK, "backend/b/package-lock.json": PACKAGE_LOCK}

    [finding] = evidence_of(SCANNER.scan(a_request(tmp_path, {**BOTH, **locks}, stage=stage))).findings

    assert finding.path == "backend/a/package-lock.json"
    assert finding.message.endswith("; also in backend/b/package-lock.json")


def test_a_lock_that_is_new_does_not_make_the_other_ones_findings_new(tmp_path: Path) -> None:
    base = {"backend/requirements.lock": OLD}
    files = {**BOTH, **base, "backend/package-lock.json": PACKAGE_LOCK}

    evidence = evidence_of(SCANNER.scan(a_request(tmp_path, files, base)))

    assert {finding.package: finding.is_new for finding in evidence.findings} == {"starlette": False, "minimist": True}
    assert len(evidence.notes) == 1


def test_a_snapshot_that_knows_nothing_of_an_ecosystem_can_not_judge_it(tmp_path: Path) -> None:
    request = a_request(tmp_path, {**SNAPSHOT, "backend/package-lock.json": PACKAGE_LOCK})

    assert reason_of(SCANNER.scan(request)) == "the advisory snapshot holds nothing about packages of npm"


@pytest.mark.parametrize(
    ("files", "options", "reason"),
    [
        (
            {"backend/requirements.lock": OLD},
            {"lock": "requirements.lock package-lock.json"},
            "package-lock.json can't",
        ),
        ({"backend/package-lock.json": "{"}, {}, "backend/package-lock.json can't be judged: it is no lock of npm"),
        ({"backend/package-lock.json": package_lock({})}, {}, "backend/package-lock.json names no package"),
        (
            {"backend/requirements.lock": OLD, "backend/package.json": '{"dependencies": {"vite": "^5"}}'},
            {},
            "backend/package.json has dependencies, but there is no package-lock.json",
        ),
        (
            {"backend/requirements.lock": OLD, "backend/package.json": "{"},
            {},
            "backend/package.json has dependencies, but there is no package-lock.json",
        ),
        ({"backend/requirements.lock": OLD}, {"lock": "../../outside.lock"}, "leads out of the repository"),
    ],
)
def test_a_lock_that_should_be_there_and_is_not_leaves_no_evidence(
    tmp_path: Path, files: dict[str, str], options: dict[str, str], reason: str
) -> None:
    stage = a_stage(StageKind.DEPENDENCY_SCAN, options=options)

    assert reason in reason_of(SCANNER.scan(a_request(tmp_path, {**BOTH, **files}, stage=stage)))


def test_a_lock_that_is_a_link_out_of_the_repository_is_not_read(tmp_path: Path) -> None:
    request = a_request(tmp_path, SNAPSHOT | {"backend/readme": ""})
    (tmp_path / "secret").write_text("hunter2\n")
    (request.tree / "backend/requirements.lock").symlink_to(tmp_path / "secret")

    assert reason_of(SCANNER.scan(request)) == "backend/requirements.lock leads out of the repository"


def test_a_manifest_without_dependencies_needs_no_lock(tmp_path: Path) -> None:
    files = {"backend/requirements.lock": OLD, "backend/package.json": '{"devDependencies": {"prettier": "3"}}'}

    assert evidence_of(SCANNER.scan(a_request(tmp_path, {**SNAPSHOT, **files}))).measures["packages"] == 2


def test_locks_that_are_left_out_are_named(tmp_path: Path) -> None:
    files = {
        "backend/requirements.lock": OLD,
        "backend/web/package-lock.json": PACKAGE_LOCK,
        "backend/node_modules/a/package-lock.json": PACKAGE_LOCK,
    }

    evidence = evidence_of(SCANNER.scan(a_request(tmp_path, {**SNAPSHOT, **files})))

    assert evidence.notes[1:] == (
        "Not judged, because the stage's `lock` does not name them: backend/web/package-lock.json.",
    )


@pytest.mark.parametrize(
    ("options", "days", "reason"),
    [
        ({}, 29, None),
        ({}, 31, "the advisories are of 2025-03-01, 31.0 days old; at most 30: renew the snapshot"),
        ({"maximum_age_days": "7"}, 8, "the advisories are of 2025-03-01, 8.0 days old; at most 7: renew the snapshot"),
        ({"maximum_age_days": "0"}, 0.5, "0.5 days old; at most 0"),
        ({"maximum_age_days": "90"}, 60, None),
        ({"maximum_age_days": "soon"}, 1, "the stage's maximum_age_days is 'soon', no number of days"),
        ({"maximum_age_days": "inf"}, 1, "no number of days"),
        ({}, -2, "the advisories are of 2025-03-01, which is yet to come"),
    ],
)
def test_advisories_that_are_too_old_are_no_evidence(
    tmp_path: Path, options: dict[str, str], days: float, reason: str | None
) -> None:
    stage = a_stage(StageKind.DEPENDENCY_SCAN, options=options)
    clock = FixedClock(datetime(2025, 3, 1, 12, tzinfo=UTC) + timedelta(days=days))

    run = OsvSnapshot(clock).scan(a_request(tmp_path, {**SNAPSHOT, "backend/requirements.lock": OLD}, stage=stage))

    if reason is None:
        assert evidence_of(run).measures["snapshot_age_days"] == days
    else:
        assert reason in reason_of(run)


def test_a_longer_age_than_the_shipped_one_is_said(tmp_path: Path) -> None:
    stage = a_stage(StageKind.DEPENDENCY_SCAN, options={"maximum_age_days": "90"})
    request = a_request(tmp_path, {**SNAPSHOT, "backend/requirements.lock": OLD}, stage=stage)

    assert evidence_of(SCANNER.scan(request)).notes[1] == (
        "The declaration lets advisories grow 90 days old; 30 is shipped."
    )


def test_lock_and_snapshot_are_declared_by_the_stage(tmp_path: Path) -> None:
    stage = a_stage(StageKind.DEPENDENCY_SCAN, options={"lock": "prod.txt", "advisories": "security/osv"})
    files = {path.replace("advisories", "security/osv"): text for path, text in SNAPSHOT.items()}
    request = a_request(tmp_path, {**files, "prod.txt": OLD}, stage=stage, service=a_service("."))

    assert evidence_of(SCANNER.scan(request)).findings[0].path == "prod.txt"
