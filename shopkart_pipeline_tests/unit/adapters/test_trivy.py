"""Trivy over images: its recorded reports, and a stand-in program that writes them."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._report_limits import MAXIMUM_FINDINGS, MAXIMUM_REPORT_BYTES
from shopkart_pipeline.adapters._trivy_report import TrivyReport, stored_report, suppression_notes
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.adapters.trivy import Trivy
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.contract import images
from shopkart_pipeline_tests.contract.images import with_configuration
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.scan_requests import NOON, a_request, evidence_of, reason_of
from shopkart_pipeline_tests.trivy_database import STARLETTE, write_metadata
from shopkart_pipeline_tests.trivy_stand_in import TrivyStandIn, sample, with_results

CLOCK = FixedClock(NOON)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrivyStandIn:
    return TrivyStandIn(tmp_path / "program", monkeypatch)


@pytest.fixture
def trivy(tmp_path: Path) -> Trivy:
    return Trivy(write_metadata(tmp_path / "cache", NOON - timedelta(hours=3)), CLOCK)


def scan_request(folder: Path, base: dict[str, str] | None = None) -> ScanRequest:
    request = images.a_request(folder / "image")
    OciLayoutBuilder(folder / "layers").build(request)
    return a_request(folder, {}, base, image=request.layout)


def test_the_recorded_report_with_vulnerabilities_is_read() -> None:
    report = TrivyReport(sample("vulnerabilities.json"))

    found = [(one.rule, one.package, one.fixed_in, one.severity) for one in report.findings(frozenset())]

    assert found == [
        ("CVE-2024-2961", "libc6", "2.36-9+deb12u6", Severity.CRITICAL),
        ("CVE-2099-0001", "h11", None, Severity.UNKNOWN),
        ("CVE-2024-47874", "starlette", "0.40.0", Severity.HIGH),
    ]
    assert len(report.packages) == 4


def test_a_recorded_report_of_debian_tells_packages_versions_and_fixes() -> None:
    findings = TrivyReport(sample("image_debian.json")).findings(frozenset())

    assert {(one.package, one.installed_version, one.fixed_in) for one in findings if one.fixed_in} == {
        ("libc6", "2.36-9+deb12u4", "2.36-9+deb12u6"),
        ("libc-bin", "2.36-9+deb12u4", "2.36-9+deb12u6"),
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "folder_vex.json",
            f"{STARLETTE} in starlette does not count, not_affected by security/vex.json: "
            "vulnerable_code_not_in_execute_path.",
        ),
        (
            "folder_ignored.json",
            f"{STARLETTE} in starlette does not count, ignored by .trivyignore.yaml: No form is parsed.",
        ),
    ],
)
def test_recorded_suppressed_findings_are_told_with_status_statement_and_source(name: str, words: str) -> None:
    report = TrivyReport(sample(name))
    suppressed = report.suppressed({"vex-0.json": "security/vex.json", "ignored.yaml": ".trivyignore.yaml"})

    assert report.findings(frozenset()) == ()
    assert suppression_notes(suppressed) == (words,)


def test_many_suppressed_findings_are_counted_and_the_first_told() -> None:
    [one] = json.loads(sample("folder_vex.json"))["Results"][0]["ExperimentalModifiedFindings"]
    many = [{**one, "Finding": {**one["Finding"], "VulnerabilityID": f"CVE-1-{number}"}} for number in range(50)]
    report = TrivyReport(with_results(sample("folder_vex.json"), ExperimentalModifiedFindings=many))

    notes = suppression_notes(report.suppressed({}))

    assert len(notes) == 21
    assert notes[-1] == "30 more are suppressed; the report names them."


def test_a_suppressed_finding_of_an_unknown_form_is_told_too() -> None:
    odd = [{"Type": "misconfiguration", "Status": "ignored", "Finding": {"ID": "DS001"}}]
    report = TrivyReport(with_results(sample("folder_vex.json"), ExperimentalModifiedFindings=odd))

    assert suppression_notes(report.suppressed({})) == (
        "DS001 in something unnamed does not count, ignored by nobody named, without a statement.",
    )


def test_versions_of_a_package_are_one_finding_with_one_fingerprint() -> None:
    [one] = json.loads(sample("folder.json"))["Results"][0]["Vulnerabilities"]
    report = TrivyReport(
        with_results(sample("folder.json"), Vulnerabilities=[one, {**one, "InstalledVersion": "0.31.0"}])
    )

    [finding] = report.findings(frozenset(), "backend")

    assert (finding.installed_version, finding.path, finding.line) == ("0.30.0, 0.31.0", "backend/requirements.lock", 1)


def test_a_clean_report_is_evidence_with_version_and_date_of_the_database(
    tmp_path: Path, program: TrivyStandIn, trivy: Trivy
) -> None:
    evidence = evidence_of(trivy.scan(scan_request(tmp_path)))

    assert evidence.measures == {
        "vulnerabilities": 0,
        "new_vulnerabilities": 0,
        "packages": 3,
        "suppressed": 0,
        "snapshot_age_days": 0.125,
    }
    assert (evidence.tool.version, evidence.tool.rules) == (
        "0.76.0",
        "trivy's vulnerability database of 2025-03-04T09:00:00Z",
    )
    assert program.asked[0].startswith("image --input image --scanners vuln --list-all-pkgs --show-suppressed")


def test_a_report_that_does_not_tell_the_version_is_not_left_without_one(
    tmp_path: Path, program: TrivyStandIn, trivy: Trivy
) -> None:
    document = json.loads(sample("clean.json"))
    del document["Trivy"]
    program.scans(json.dumps(document).encode())

    assert evidence_of(trivy.scan(scan_request(tmp_path))).tool.version == "0.68.2"


def test_without_a_base_everything_is_new_and_noted_so(tmp_path: Path, program: TrivyStandIn, trivy: Trivy) -> None:
    program.scans(sample("vulnerabilities.json"))

    evidence = evidence_of(trivy.scan(scan_request(tmp_path)))

    assert all(finding.is_new for finding in evidence.findings)
    assert evidence.notes[-1] == "Everything counts as new: there is no base."


def test_what_the_locks_of_the_base_had_is_not_new(tmp_path: Path, program: TrivyStandIn, trivy: Trivy) -> None:
    program.scans(sample("vulnerabilities.json"), base=sample("folder.json"))

    evidence = evidence_of(trivy.scan(scan_request(tmp_path, {"backend/requirements.lock": "starlette==0.30.0\n"})))

    assert {finding.package: finding.is_new for finding in evidence.findings} == {
        "libc6": True,
        "h11": True,
        "starlette": False,
    }
    assert "Packages of the operating system count as new" in evidence.notes[-1]


def test_what_the_images_configuration_gives_away_is_found_too(
    tmp_path: Path, program: TrivyStandIn, trivy: Trivy
) -> None:
    request = scan_request(tmp_path)
    assert request.image is not None
    with_configuration(request.image, User="root", Env=["API_TOKEN=abc"])

    evidence = evidence_of(trivy.scan(request))

    assert {finding.rule for finding in evidence.findings} == {"image-user", "image-variable"}
    assert evidence.measures["vulnerabilities"] == 0


def test_a_base_that_can_t_be_judged_makes_everything_new(tmp_path: Path, program: TrivyStandIn, trivy: Trivy) -> None:
    program.scans(sample("vulnerabilities.json"), base=b"{")

    evidence = evidence_of(trivy.scan(scan_request(tmp_path, {})))

    assert all(finding.is_new for finding in evidence.findings)
    assert any("of the base, trivy left no readable report" in note for note in evidence.notes)


@pytest.mark.parametrize(
    ("report", "exit_code", "reason"),
    [
        (sample("no_packages.json"), 0, "found no package"),
        (sample("image_empty.json"), 0, "found no package"),
        (sample("truncated.json"), 0, "no readable report: Invalid JSON: EOF"),
        (b"", 0, "no readable report"),
        (b'{"SchemaVersion": 3}', 0, "no readable report: SchemaVersion: Input should be 2"),
        (b"[" * 100_000, 0, "no readable report: Invalid JSON: recursion limit exceeded"),
        (None, 0, "no readable report: there is none"),
        (sample("clean.json"), 1, "exit code 1"),
    ],
)
def test_a_run_that_does_not_add_up_is_no_evidence(
    tmp_path: Path, program: TrivyStandIn, trivy: Trivy, report: bytes | None, exit_code: int, reason: str
) -> None:
    program.scans(report, exit_code)

    assert reason in reason_of(trivy.scan(scan_request(tmp_path)))


def vulnerabilities(count: int) -> bytes:
    [one] = json.loads(sample("folder.json"))["Results"][0]["Vulnerabilities"]
    short = {name: one[name] for name in ("VulnerabilityID", "PkgName", "Severity")}
    return with_results(
        sample("folder.json"), Vulnerabilities=[{**short, "VulnerabilityID": f"CVE-{n}"} for n in range(count)]
    )


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        pytest.param(
            vulnerabilities(MAXIMUM_FINDINGS + 1), f"at most {MAXIMUM_FINDINGS} items", marks=pytest.mark.thorough
        ),
        (b" " * (MAXIMUM_REPORT_BYTES + 1), "it wrote more than 64 MiB"),
    ],
    ids=["too many", "too big"],
)
def test_a_huge_report_is_refused_with_its_reason(
    tmp_path: Path, program: TrivyStandIn, trivy: Trivy, report: bytes, reason: str
) -> None:
    program.scans(report)

    assert reason in reason_of(trivy.scan(scan_request(tmp_path)))


def test_as_many_findings_as_may_be_are_read() -> None:
    assert len(TrivyReport(vulnerabilities(20_000)).findings(frozenset())) == 20_000


def test_an_absent_program_and_an_absent_image_are_no_evidence(
    tmp_path: Path, program: TrivyStandIn, trivy: Trivy, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = scan_request(tmp_path)

    assert reason_of(trivy.scan(replace(request, image=None))) == "there is no image to look at"
    assert "the layout holds sha256:" in reason_of(trivy.scan(replace(request, image_digest="sha256:0")))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert trivy.unavailable() == reason_of(trivy.scan(request)) == "trivy is not installed"


def test_the_images_variables_and_the_place_of_the_image_are_cut_from_the_stored_report() -> None:
    kept = stored_report(sample("clean.json"), "sha256:abc", {})

    assert b"PYTHONPATH" in sample("clean.json")
    assert b"PYTHONPATH" not in kept
    assert json.loads(kept)["ArtifactName"] == "sha256:abc"


def test_hostile_words_in_a_report_can_be_shown(tmp_path: Path, program: TrivyStandIn, trivy: Trivy) -> None:
    [one] = json.loads(sample("folder.json"))["Results"][0]["Vulnerabilities"]
    hostile = "\x1b]0;owned\x07\r\n\u202e"
    program.scans(
        with_results(
            sample("folder.json"),
            Vulnerabilities=[{**one, "Title": hostile, "PkgName": hostile, "PrimaryURL": "javascript:alert(1)"}],
            ExperimentalModifiedFindings=[{"Type": "v", "Status": hostile, "Statement": hostile, "Source": hostile}],
        )
    )

    told = repr(trivy.scan(scan_request(tmp_path)).result)

    assert not any(escaped in told for escaped in ("\\x1b", "\\x07", "\\r", "\\n", "\\u202e", "javascript"))
