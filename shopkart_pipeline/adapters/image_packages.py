"""Packages inside an image compared with the advisory snapshot of the repository, and the image's own configuration.

The layers are unpacked and searched for installed packages of Python and npm; packages of an operating system are
counted, and the notes say what the snapshot can't judge. An image in which no package is found was not looked at.

What the configuration gives away is found too (`_image_configuration`). Options of the stage: `advisories` and
`maximum_age_days` (`_snapshot`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `system_packages`, `advisories`, `snapshot_age_days`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name
from pydantic import BaseModel, ValidationError

from shopkart_pipeline.adapters import _oci
from shopkart_pipeline.adapters._advisories import vulnerabilities
from shopkart_pipeline.adapters._dependency_data import known_vulnerabilities
from shopkart_pipeline.adapters._image_configuration import configuration_findings, read_image, unreadable
from shopkart_pipeline.adapters._installed_files import node_manifests
from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline.adapters._semver import parse_semver
from shopkart_pipeline.adapters._snapshot import (
    Snapshot,
    advisory_inputs,
    read_snapshot,
    snapshot_measures,
    snapshot_notes,
)
from shopkart_pipeline.adapters._vulnerability_evidence import evidence_of, findings_of
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

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
        now = self._clock.now()
        snapshot = read_snapshot(request, now)
        if isinstance(snapshot, EvidenceMissing):
            return ToolRun(snapshot)
        tool = Tool("image-packages", "1", snapshot.tool.rules)
        root = request.scratch / "image"
        image = read_image(request)
        if isinstance(image, EvidenceMissing):
            return ToolRun(replace(image, tool=tool))
        try:
            _oci.unpack(image.layout, root)
        except (PipelineError, OSError) as error:
            return ToolRun(replace(unreadable(error), tool=tool))
        packages = _packages(root)
        if not packages:
            return ToolRun(EvidenceMissing("no installed package was found in the image", tool))
        if snapshot.ecosystems.isdisjoint(package.ecosystem for package in packages):
            return ToolRun(EvidenceMissing("the advisory snapshot knows nothing of the image's packages", tool))
        try:
            found = vulnerabilities(snapshot.index, packages)
        except ValueError as error:
            return ToolRun(EvidenceMissing(str(error), tool))
        known, notes = known_vulnerabilities(request, snapshot.index)
        warned, system = findings_of(found, known), _system_packages(root)
        evidence = evidence_of(
            tool,
            warned,
            packages,
            (*snapshot_notes(snapshot, request), *notes, *_blind_spots(snapshot, packages, system)),
            {"system_packages": float(system), **snapshot_measures(snapshot, now)},
            " of the image",
        )
        evidence = replace(evidence, findings=(*warned, *configuration_findings(image.configuration)))
        return ToolRun(evidence, (_listing(packages),))


def _packages(root: Path) -> list[Package]:
    """Installed packages, each version once, by name."""
    return sorted({*_python_packages(root), *_node_packages(root)}, key=lambda one: (one.name, one.version))


def _python_packages(root: Path) -> Iterator[Package]:
    for pattern in ("*.dist-info/METADATA", "*.egg-info/PKG-INFO"):
        for metadata in root.rglob(pattern):
            if metadata.is_symlink():
                continue
            fields = HeaderParser().parsestr(metadata.read_text("utf-8", "replace"), headersonly=True)
            if fields["Name"] and fields["Version"]:
                yield Package(canonicalize_name(fields["Name"]), fields["Version"])


class _Manifest(BaseModel):
    name: str
    version: str


def _node_packages(root: Path) -> Iterator[Package]:
    """Those of npm. Folders without a name or a version, such as samples of a package's own tests, are none."""
    for manifest in node_manifests(root):
        try:
            said = _Manifest.model_validate_json(manifest.read_bytes())
            parse_semver(said.version)
        except (ValidationError, ValueError):
            continue
        yield Package(said.name, said.version, ecosystem=Ecosystem.NPM)


def _system_packages(root: Path) -> int:
    count = 0
    for path, field in _SYSTEM_PACKAGES:
        database = root / path
        if database.is_file() and not database.is_symlink():
            count += sum(line.startswith(field) for line in database.read_bytes().splitlines())
    return count


def _blind_spots(snapshot: Snapshot, packages: Sequence[Package], system: int) -> Iterator[str]:
    for ecosystem in sorted({package.ecosystem for package in packages} - snapshot.ecosystems):
        count = sum(package.ecosystem is ecosystem for package in packages)
        yield f"{count} packages of {ecosystem} are in the image; the snapshot knows nothing of them."
    if system:
        yield f"{system} packages of the operating system are in the image; the snapshot can't judge them."
    else:
        yield "The image lists no packages of an operating system; what a base brings along was not judged."


def _listing(packages: Sequence[Package]) -> RawReport:
    signs = {Ecosystem.PYPI: "==", Ecosystem.NPM: "@"}
    lines = "".join(f"{package.name}{signs[package.ecosystem]}{package.version}\n" for package in packages)
    return RawReport("image-packages.txt", "text/plain", lines.encode())
