"""Trivy: its recorded reports, and a stand-in program that writes them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.adapters.trivy import Trivy, TrivyReport, findings_of, without_configuration
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.contract import images
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_request, evidence_of, reason_of


def sample(name: str) -> bytes:
    return (SAMPLES / "trivy" / name).read_bytes()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, report: bytes | None, exit_code: int = 0) -> None:
    """A program called trivy, first in `PATH`, that writes `report` to the path after `--output`."""
    program = folder / "bin" / "trivy"
    program.parent.mkdir()
    copy = ""
    if report is not None:
        (folder / "report.json").write_bytes(report)
        copy = f'[ "$1" = --output ] && cp "{folder}/report.json" "$2"'
    program.write_text(f"#!/bin/sh\nwhile [ $# -gt 0 ]; do\n{copy}\nshift\ndone\nexit {exit_code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def scan_request(folder: Path) -> ScanRequest:
    request = images.a_request(folder / "image")
    OciLayoutBuilder(folder / "layers").build(request)
    return a_request(folder, {}, image=request.layout)


def test_the_recorded_report_with_vulnerabilities_is_read() -> None:
    report = TrivyReport.model_validate_json(sample("vulnerabilities.json"))

    found = [(one.rule, one.package, one.fixed_in, one.severity) for one in findings_of(report)]

    assert found == [
        ("CVE-2024-2961", "libc6", "2.36-9+deb12u6", Severity.CRITICAL),
        ("CVE-2099-0001", "h11", None, Severity.UNKNOWN),
        ("CVE-2024-47874", "starlette", "0.40.0", Severity.HIGH),
    ]
    assert report.packages == 4


def test_a_clean_report_is_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, sample("clean.json"))

    evidence = evidence_of(Trivy(tmp_path / "cache").scan(scan_request(tmp_path)))

    assert evidence.measures == {"vulnerabilities": 0, "packages": 3}
    assert evidence.tool.version == "0.76.0"


def test_findings_are_all_new_and_noted_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, sample("vulnerabilities.json"))

    evidence = evidence_of(Trivy(tmp_path / "cache").scan(scan_request(tmp_path)))

    assert all(finding.is_new for finding in evidence.findings)
    assert "Everything counts as new" in evidence.notes[0]


@pytest.mark.parametrize(
    ("report", "exit_code", "reason"),
    [
        (sample("no_packages.json"), 0, "found no package"),
        (sample("truncated.json"), 0, "no readable report"),
        (b"", 0, "no readable report"),
        (b'{"SchemaVersion": 3}', 0, "no readable report"),
        (None, 0, "wrote no report"),
        (sample("clean.json"), 1, "exit code 1"),
    ],
)
def test_a_run_that_does_not_add_up_is_no_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: bytes | None, exit_code: int, reason: str
) -> None:
    install(tmp_path, monkeypatch, report, exit_code)

    assert reason in reason_of(Trivy(tmp_path / "cache").scan(scan_request(tmp_path)))


def test_an_absent_program_and_an_absent_image_are_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = scan_request(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = Trivy(tmp_path / "cache")
    assert absent.unavailable() == reason_of(absent.scan(request)) == "trivy is not installed"

    install(tmp_path, monkeypatch, sample("clean.json"))
    assert reason_of(absent.scan(replace(request, image=None))) == "there is no image to look at"


def test_the_images_variables_are_cut_from_the_stored_report() -> None:
    report = without_configuration(sample("clean.json"))

    assert b"PYTHONPATH" in sample("clean.json")
    assert b"PYTHONPATH" not in report
    assert json.loads(report)["SchemaVersion"] == 2
