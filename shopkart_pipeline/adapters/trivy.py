"""Trivy over an image: vulnerable packages of the operating system and of the application.

Trivy reports every severity and fails nothing by itself; the gates decide. A report without a single package means that
it recognised nothing in the image. The image's variables are cut from the stored report.

Measures: `vulnerabilities`, `packages`.
Source: Trivy's JSON report, `SchemaVersion` 2.
"""

import json
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from shopkart_pipeline.adapters import _oci
from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._vulnerability_evidence import fingerprint
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Severity, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_ABSENT = "trivy is not installed"
_SEVERITIES = {
    "LOW": Severity.LOW,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
    "UNKNOWN": Severity.UNKNOWN,
}


class _Vulnerability(BaseModel):
    VulnerabilityID: str
    PkgName: str
    InstalledVersion: str = ""
    FixedVersion: str = ""
    Severity: Literal["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
    Title: str = ""
    PrimaryURL: str | None = None
    PkgPath: str | None = None


class _Package(BaseModel):
    Name: str


class _Result(BaseModel):
    Target: str
    Packages: list[_Package] | None = None
    Vulnerabilities: list[_Vulnerability] | None = None


class _Producer(BaseModel):
    Version: str = "unknown"


class TrivyReport(BaseModel):
    """A report, as far as it is read."""

    SchemaVersion: Literal[2]
    Trivy: _Producer = _Producer()
    Results: list[_Result] | None = None

    @property
    def packages(self) -> int:
        return sum(len(result.Packages or ()) for result in self.Results or ())


class Trivy(Scanner):
    """Scans images with trivy."""

    name = "trivy"

    def __init__(self, cache: Path) -> None:
        """
        Args:
            cache: folder for trivy's vulnerability database.
        """
        self._cache = cache

    def unavailable(self) -> str | None:
        return None if _executable() else _ABSENT

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = _executable()
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        tool = Tool("trivy", "unknown")
        content = self._report(executable, request)
        if isinstance(content, EvidenceMissing):
            return ToolRun(EvidenceMissing(content.reason, tool))
        try:
            report = TrivyReport.model_validate_json(content)
        except ValueError as error:
            return ToolRun(EvidenceMissing(f"trivy left no readable report: {str(error).partition(chr(10))[0]}", tool))
        tool = Tool("trivy", report.Trivy.Version, "trivy's vulnerability database")
        raw = (RawReport("trivy.json", "application/json", without_configuration(content)),)
        if not report.packages:
            return ToolRun(EvidenceMissing("trivy found no package in the image", tool), raw)
        findings = findings_of(report)
        measures = {"vulnerabilities": float(len(findings)), "packages": float(report.packages)}
        summary = f"{len(findings)} vulnerabilities in {report.packages} packages of the image"
        notes = ("Everything counts as new: trivy looked at this image alone.",) if findings else ()
        return ToolRun(Evidence(tool, summary, measures, findings, notes=notes), raw)

    def _report(self, executable: str, request: ScanRequest) -> bytes | EvidenceMissing:
        if request.image is None:
            return EvidenceMissing("there is no image to look at")
        try:
            digest = _oci.read_manifest(request.image).digest
        except (PipelineError, OSError) as error:
            return EvidenceMissing(f"the image can't be read: {error}")
        if request.image_digest not in (None, digest):
            return EvidenceMissing(f"the layout holds {digest}, not {request.image_digest}")
        output = request.scratch / "trivy.json"
        done = run(
            Command(
                [
                    *(executable, "image", "--input", str(request.image), "--scanners", "vuln", "--list-all-pkgs"),
                    *("--format", "json", "--output", str(output), "--quiet", "--cache-dir", str(self._cache)),
                ],
                request.scratch,
                request.stage.timeout_seconds,
                variables={"HOME": str(request.scratch)},
                network=True,
                log=request.log,
            )
        )
        if reason := done.failure("trivy"):
            return EvidenceMissing(reason)
        return output.read_bytes() if output.is_file() else EvidenceMissing("trivy wrote no report")


def findings_of(report: TrivyReport) -> tuple[Finding, ...]:
    """Findings, the worst first; the same vulnerability of a package is told once."""
    found: dict[tuple[str, str, str], Finding] = {}
    for result in report.Results or ():
        for one in result.Vulnerabilities or ():
            found.setdefault((one.VulnerabilityID, one.PkgName, one.InstalledVersion), _finding(one))
    return tuple(sorted(found.values(), key=lambda one: (-one.severity.effective, one.package or "", one.rule)))


def without_configuration(content: bytes) -> bytes:
    """A report without the image's configuration: its variables may hold what nobody should read here."""
    document = json.loads(content)
    document.get("Metadata", {}).pop("ImageConfig", None)
    return json.dumps(document, indent=1).encode()


def _finding(one: _Vulnerability) -> Finding:
    return Finding(
        rule=one.VulnerabilityID,
        severity=_SEVERITIES[one.Severity],
        message=(one.Title or "vulnerable version")[:500],
        fingerprint=fingerprint(one.VulnerabilityID, one.PkgName),
        path=one.PkgPath,
        package=one.PkgName,
        installed_version=one.InstalledVersion or None,
        fixed_in=one.FixedVersion or None,
        link=one.PrimaryURL,
    )


def _executable() -> str | None:
    return find_executable("trivy", Path(sys.executable).parent)
