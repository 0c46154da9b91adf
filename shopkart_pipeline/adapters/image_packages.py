"""Packages inside an image compared with the advisory snapshot of the repository, and the image's own configuration.

The layers are unpacked and searched for installed Python packages; packages of an operating system are counted, and the
notes say that the snapshot can't judge them. An image in which no package is found was not looked at.

An image that runs as root is a finding (medium), and so is a variable that looks like a credential (high); its value is
told nowhere. Option of the stage: `advisories`, the snapshot's folder relative to the repository's root (default
`advisories`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `system_packages`, `advisories`, `snapshot_age_days`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name

from shopkart_pipeline.adapters import _oci
from shopkart_pipeline.adapters._advisories import vulnerabilities
from shopkart_pipeline.adapters._dependency_data import (
    advisory_inputs,
    known_vulnerabilities,
    read_snapshot,
    snapshot_tool,
)
from shopkart_pipeline.adapters._locked_packages import Package
from shopkart_pipeline.adapters._oci_documents import RunDocument
from shopkart_pipeline.adapters._vulnerability_evidence import findings_of, snapshot_measures, snapshot_notes
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import (
    Evidence,
    EvidenceMissing,
    Finding,
    RawReport,
    Severity,
    Tool,
    ToolRun,
    fingerprint_of,
)
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_ROOT = frozenset({"", "0", "root"})
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_SYSTEM_PACKAGES = (("var/lib/dpkg/status", b"Package:"), ("lib/apk/db/installed", b"P:"))


class ImagePackages(Scanner):
    """The embedded image scan."""

    name = "image-packages"

    def __init__(self, clock: Clock) -> None:
        """
        Args:
            clock: tells how old the snapshot is.
        """
        self._clock = clock

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return {"version": "1", **advisory_inputs(request, self._clock.now())}

    def scan(self, request: ScanRequest) -> ToolRun:
        snapshot = read_snapshot(request)
        if isinstance(snapshot, EvidenceMissing):
            return ToolRun(snapshot)
        tool = Tool("image-packages", "1", snapshot_tool(snapshot).rules)
        root = request.scratch / "image"
        configuration = _unpacked(request, root)
        if isinstance(configuration, EvidenceMissing):
            return ToolRun(EvidenceMissing(configuration.reason, tool))
        packages = sorted(set(_python_packages(root)), key=lambda one: (one.name, one.version))
        system = _system_packages(root)
        if not packages:
            return ToolRun(EvidenceMissing("no installed package was found in the image", tool))
        try:
            found = vulnerabilities(snapshot, packages)
        except ValueError as error:
            return ToolRun(EvidenceMissing(str(error), tool))
        known, notes = known_vulnerabilities(request, snapshot)
        warned = findings_of(found, known, None)
        new = sum(finding.is_new for finding in warned)
        measures = {
            "vulnerabilities": float(len(warned)),
            "new_vulnerabilities": float(new),
            "packages": float(len(packages)),
            "system_packages": float(system),
            **snapshot_measures(snapshot, self._clock.now()),
        }
        summary = f"{len(warned)} vulnerabilities ({new} new) in {len(packages)} packages of the image"
        findings = (*warned, *_configuration_findings(configuration))
        notes = (*snapshot_notes(snapshot), *notes, _blind_spot(system))
        return ToolRun(Evidence(tool, summary, measures, findings, notes=notes), (_listing(packages),))


def _unpacked(request: ScanRequest, root: Path) -> RunDocument | EvidenceMissing:
    """Unpacks the image to `root`, and gives its configuration."""
    if request.image is None:
        return EvidenceMissing("there is no image to look at")
    try:
        manifest = _oci.read_manifest(request.image)
        if request.image_digest not in (None, manifest.digest):
            return EvidenceMissing(f"the layout holds {manifest.digest}, not {request.image_digest}")
        _oci.unpack(request.image, root)
        return _oci.read_config(request.image, manifest).config
    except (PipelineError, OSError) as error:
        return EvidenceMissing(f"the image can't be read: {error}")


def _python_packages(root: Path) -> Iterator[Package]:
    for pattern in ("*.dist-info/METADATA", "*.egg-info/PKG-INFO"):
        for metadata in root.rglob(pattern):
            if metadata.is_symlink():
                continue
            fields = HeaderParser().parsestr(metadata.read_text("utf-8", "replace"), headersonly=True)
            if fields["Name"] and fields["Version"]:
                yield Package(canonicalize_name(fields["Name"]), fields["Version"])


def _system_packages(root: Path) -> int:
    count = 0
    for path, field in _SYSTEM_PACKAGES:
        database = root / path
        if database.is_file() and not database.is_symlink():
            count += sum(line.startswith(field) for line in database.read_bytes().splitlines())
    return count


def _configuration_findings(configuration: RunDocument) -> Iterator[Finding]:
    if configuration.User.partition(":")[0] in _ROOT:
        message = "The image runs as root; give it a user of its own."
        yield Finding("image-user", Severity.MEDIUM, message, fingerprint_of("image-user", None, "root"))
    for line in configuration.Env or ():
        name, _, value = line.partition("=")
        if value and _SECRET_NAME.search(name):
            message = f"The variable {name} looks like a credential; whoever pulls the image can read it."
            yield Finding("image-variable", Severity.HIGH, message, fingerprint_of("image-variable", None, name))


def _blind_spot(system: int) -> str:
    if system:
        return f"{system} packages of the operating system are in the image; the snapshot can't judge them."
    return "The image lists no packages of an operating system; what a base brings along was not judged."


def _listing(packages: Sequence[Package]) -> RawReport:
    lines = "".join(f"{package.name}=={package.version}\n" for package in packages)
    return RawReport("image-packages.txt", "text/plain", lines.encode())
