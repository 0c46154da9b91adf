"""The real npm against a registry on this machine that speaks its protocol."""

import json
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.npm_audit import NpmAudit
from shopkart_pipeline.domain.evidence import Severity, ToolRun
from shopkart_pipeline_tests.advisory_snapshots import an_advisory
from shopkart_pipeline_tests.fakes.fake_npm_registry import npm_registry
from shopkart_pipeline_tests.package_locks import package_lock
from shopkart_pipeline_tests.scan_requests import a_request, a_stage, evidence_of, reason_of

LODASH = an_advisory(
    "GHSA-p6mc-m468-83gw",
    "lodash",
    ecosystem="npm",
    events=[{"introduced": "3.7.0"}, {"fixed": "4.17.19"}],
    database_specific={"severity": "HIGH"},
)
LOCK = {"backend/package-lock.json": package_lock({"lodash": "4.17.15", "is-number": "7.0.0"})}
CLEAN = {"backend/package-lock.json": package_lock({"lodash": "4.17.21", "is-number": "7.0.0"})}


def scan(
    folder: Path, files: dict[str, str], base: dict[str, str] | None = None, empty: bool = False, **stage: Any
) -> ToolRun:
    with npm_registry(LODASH, empty=empty) as address:
        return NpmAudit(address).scan(a_request(folder, files, base, stage=a_stage(**stage)))


def test_a_vulnerable_package_is_a_finding_with_its_place_and_fix(tmp_path: Path) -> None:
    run = scan(tmp_path, LOCK)

    evidence = evidence_of(run)
    [finding] = evidence.findings
    assert (finding.rule, finding.package, finding.installed_version) == ("GHSA-p6mc-m468-83gw", "lodash", "4.17.15")
    assert (finding.fixed_in, finding.severity, finding.is_new) == ("4.17.19", Severity.HIGH, True)
    assert (finding.path, finding.line) == ("backend/package-lock.json", 15)
    assert evidence.measures == {
        "vulnerabilities": 1,
        "new_vulnerabilities": 1,
        "packages": 2,
        "snapshot_age_days": 0,
    }
    assert evidence.tool.version.count(".") == 2
    assert evidence.notes == (f"Judged by the {evidence.tool.rules}.",)
    assert json.loads(run.raw[0].content)["auditReportVersion"] == 2


@pytest.mark.parametrize(("base", "is_new"), [(LOCK, False), (CLEAN, True)])
def test_what_the_base_was_vulnerable_to_is_not_new(tmp_path: Path, base: dict[str, str], is_new: bool) -> None:
    evidence = evidence_of(scan(tmp_path, LOCK, base))

    assert [finding.is_new for finding in evidence.findings] == [is_new]


def test_a_registry_that_warns_of_nothing_is_believed_only_if_it_knows_anything(tmp_path: Path) -> None:
    assert evidence_of(scan(tmp_path / "a", CLEAN)).findings == ()
    assert reason_of(scan(tmp_path / "b", CLEAN, empty=True)) == (
        "the registry warns of nothing, not even of minimist 0.0.8: it knows no advisories"
    )


def test_a_registry_that_does_not_answer_is_no_evidence(tmp_path: Path) -> None:
    reason = reason_of(NpmAudit("http://127.0.0.1:9").scan(a_request(tmp_path, LOCK)))

    assert reason.startswith("npm audit left no report about backend/package-lock.json (exit code 1)")
    assert "ECONNREFUSED" in reason


def test_a_registry_without_an_audit_endpoint_is_no_evidence(tmp_path: Path) -> None:
    with npm_registry(LODASH) as address:
        reason = reason_of(NpmAudit(f"{address}/mirror/").scan(a_request(tmp_path, LOCK)))

    assert "404 Not Found" in reason


def test_every_lock_that_is_named_is_judged(tmp_path: Path) -> None:
    files = {"backend/web/package-lock.json": LOCK["backend/package-lock.json"], **CLEAN}

    evidence = evidence_of(scan(tmp_path, files, options={"lock": "package-lock.json web/package-lock.json"}))

    assert [finding.path for finding in evidence.findings] == ["backend/web/package-lock.json"]
    assert evidence.measures["packages"] == 4


def test_nothing_of_the_package_is_executed_and_its_configuration_does_not_count(tmp_path: Path) -> None:
    touch = f"touch {tmp_path / 'executed'}"
    scripts = dict.fromkeys(("preinstall", "install", "postinstall", "prepare", "audit", "preaudit"), touch)
    manifest = {"name": "storefront", "version": "1.0.0", "scripts": scripts, "dependencies": {"lodash": "4.17.15"}}
    files = {
        **LOCK,
        "backend/package.json": json.dumps(manifest),
        "backend/.npmrc": f"registry=http://127.0.0.1:9/\nscript-shell={touch}\naudit-level=none\nomit=dev\n",
    }

    assert len(evidence_of(scan(tmp_path, files)).findings) == 1
    assert not (tmp_path / "executed").exists()
    assert {path.name for path in (tmp_path / "tree/backend").iterdir()} == {
        "package-lock.json",
        "package.json",
        ".npmrc",
    }


def test_a_package_that_only_development_needs_counts(tmp_path: Path) -> None:
    files = {"backend/package-lock.json": package_lock({"lodash": {"version": "4.17.15", "dev": True}})}

    assert len(evidence_of(scan(tmp_path, files)).findings) == 1


def test_running_out_of_time_is_no_evidence(tmp_path: Path) -> None:
    assert "npm audit ran out of time" in reason_of(scan(tmp_path, LOCK, timeout_seconds=0.05))


def test_a_lock_of_python_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    reason = reason_of(scan(tmp_path, {**LOCK, "backend/requirements.lock": "h11==0.16.0\n"}))

    assert reason.startswith("backend/requirements.lock can't be judged by this tool")
