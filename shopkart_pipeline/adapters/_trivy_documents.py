"""Trivy's report in JSON, `SchemaVersion` 2, as far as it is read. Members are called as trivy calls them.

Source: Trivy, `pkg/types`: `Report`, `Result`, `DetectedVulnerability`, `ModifiedFinding`.
"""

from typing import Literal

from pydantic import BaseModel, JsonValue

from shopkart_pipeline.adapters._report_limits import Many


class PackageIdentifier(BaseModel):
    """What a package is recognised by within a report."""

    UID: str = ""


class SourceLocation(BaseModel):
    """Where a lock names a package."""

    StartLine: int = 0


class Package(BaseModel):
    """A package that trivy saw."""

    Name: str
    Identifier: PackageIdentifier = PackageIdentifier()
    Locations: list[SourceLocation] | None = None


class Vulnerability(BaseModel):
    """A vulnerability of a package."""

    VulnerabilityID: str
    VendorIDs: list[str] | None = None
    PkgName: str
    PkgPath: str | None = None
    PkgIdentifier: PackageIdentifier = PackageIdentifier()
    InstalledVersion: str = ""
    FixedVersion: str = ""
    Severity: Literal["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
    Title: str = ""
    PrimaryURL: str | None = None


class ModifiedFinding(BaseModel):
    """A finding that was suppressed, and by whom."""

    Type: str
    Status: str
    Statement: str = ""
    Source: str = ""
    Finding: dict[str, JsonValue] = {}


class Result(BaseModel):
    """What was found in one target: a lock, an operating system, or all packages of a language."""

    Target: str
    Class: str = ""
    Type: str = ""
    Packages: Many[Package] | None = None
    Vulnerabilities: Many[Vulnerability] | None = None
    ExperimentalModifiedFindings: Many[ModifiedFinding] | None = None


class Producer(BaseModel):
    """Who wrote the report."""

    Version: str = ""
    """Told since version 0.69."""


class OperatingSystem(BaseModel):
    """The operating system of an image."""

    Family: str = ""
    Name: str = ""
    EOSL: bool = False
    """Whether its support has ended."""


class ReportMetadata(BaseModel):
    """What was looked at."""

    OS: OperatingSystem | None = None


class ReportDocument(BaseModel):
    """A whole report."""

    SchemaVersion: Literal[2]
    Trivy: Producer = Producer()
    Metadata: ReportMetadata = ReportMetadata()
    Results: Many[Result] | None = None
