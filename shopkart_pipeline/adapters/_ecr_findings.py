"""What ECR says about a scan, as findings: the shapes of basic scanning and of enhanced scanning (Amazon Inspector).

Basic scanning looks at packages of the operating system and does not say whether a version fixes something, so its
findings are of unknown remedy. Enhanced scanning looks at the application's packages too, and names for each package
the version that fixes it, or `NotAvailable`. What Inspector suppresses counts like anything else, because waivers
belong into the repository; what it has closed is over.

Source: Amazon ECR API reference, `DescribeImageScanFindings`, `ImageScanFinding`, `EnhancedImageScanFinding`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from pydantic import BaseModel

from shopkart_pipeline.adapters._vulnerability_evidence import fingerprint
from shopkart_pipeline.domain.evidence import Finding, Severity

_SEVERITIES: Mapping[str, Severity] = {
    "INFORMATIONAL": Severity.INFO,
    "LOW": Severity.LOW,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
}
"""All others (`UNDEFINED`, `UNTRIAGED`) say that nobody knows."""
_NO_FIX = frozenset({"", "notavailable"})
_MESSAGE_CHARACTERS = 500


class _Attribute(BaseModel):
    key: str
    value: str = ""


class _Basic(BaseModel):
    name: str
    severity: str = ""
    description: str = ""
    uri: str = ""
    attributes: list[_Attribute] = []


class _Package(BaseModel):
    name: str
    version: str = ""
    release: str = ""
    filePath: str = ""
    fixedInVersion: str = ""


class _Details(BaseModel):
    vulnerabilityId: str = ""
    sourceUrl: str = ""
    vulnerablePackages: list[_Package] = []


class _Enhanced(BaseModel):
    severity: str = ""
    status: str = "ACTIVE"
    title: str = ""
    description: str = ""
    findingArn: str = ""
    packageVulnerabilityDetails: _Details = _Details()


class _Findings(BaseModel):
    imageScanCompletedAt: datetime | None = None
    vulnerabilitySourceUpdatedAt: datetime | None = None
    findingSeverityCounts: dict[str, int] = {}
    findings: list[_Basic] = []
    enhancedFindings: list[_Enhanced] = []


class _Status(BaseModel):
    status: str = ""
    description: str = ""


class _ImageId(BaseModel):
    imageDigest: str | None = None


class ScanPage(BaseModel):
    """One page of the answer, as far as it is read."""

    imageId: _ImageId = _ImageId()
    imageScanStatus: _Status = _Status()
    imageScanFindings: _Findings | None = None
    nextToken: str | None = None

    @property
    def said(self) -> int:
        """How many findings the page holds, by ECR's own way of counting."""
        held = self.imageScanFindings
        return len(held.findings) + len(held.enhancedFindings) if held else 0


def findings_of(pages: Iterable[ScanPage]) -> tuple[Finding, ...]:
    """Findings, the worst first; the same vulnerability of a package is told once."""
    found: dict[tuple[str, str | None, str | None], Finding] = {}
    for page in pages:
        for finding in _findings(page.imageScanFindings or _Findings()):
            found.setdefault((finding.fingerprint, finding.installed_version, finding.path), finding)
    return tuple(sorted(found.values(), key=lambda one: (-one.severity.effective, one.package or "", one.rule)))


def _findings(held: _Findings) -> Iterator[Finding]:
    for basic in held.findings:
        yield _basic(basic)
    for enhanced in held.enhancedFindings:
        if enhanced.status != "CLOSED":
            yield from _enhanced(enhanced)


def _basic(one: _Basic) -> Finding:
    said = {attribute.key: attribute.value for attribute in one.attributes}
    package = said.get("package_name") or "unknown package"
    return Finding(
        rule=one.name,
        severity=_SEVERITIES.get(one.severity, Severity.UNKNOWN),
        message=_message(one.description),
        fingerprint=fingerprint(one.name, package),
        package=package,
        installed_version=said.get("package_version") or None,
        fix_unknown=True,
        link=_link(one.uri),
    )


def _enhanced(one: _Enhanced) -> Iterator[Finding]:
    details = one.packageVulnerabilityDetails
    rule = details.vulnerabilityId or one.title or one.findingArn or "unnamed finding"
    for package in details.vulnerablePackages or [_Package(name="unknown package")]:
        fixed = None if package.fixedInVersion.lower() in _NO_FIX else package.fixedInVersion
        yield Finding(
            rule=rule,
            severity=_SEVERITIES.get(one.severity, Severity.UNKNOWN),
            message=_message(f"{one.description}{' (suppressed in Inspector)' if one.status == 'SUPPRESSED' else ''}"),
            fingerprint=fingerprint(rule, package.name),
            path=package.filePath or None,
            package=package.name,
            installed_version="-".join(filter(None, (package.version, package.release))) or None,
            fixed_in=fixed,
            fix_unknown=not package.fixedInVersion,
            link=_link(details.sourceUrl),
        )


def _message(text: str) -> str:
    return " ".join(text.split())[:_MESSAGE_CHARACTERS] or "vulnerable version"


def _link(text: str) -> str | None:
    return text if text.startswith(("https://", "http://")) else None
