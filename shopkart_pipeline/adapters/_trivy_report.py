"""Trivy's report in JSON: packages, vulnerabilities, and those that were suppressed.

A vulnerability of a package in several versions is one finding that names them all. What a VEX document or an ignore
file suppresses is no finding; it is reported nevertheless, and told with status, statement and source.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, cast

from packaging.utils import canonicalize_name

from shopkart_pipeline.adapters._report_limits import MAXIMUM_FINDINGS, json_value
from shopkart_pipeline.adapters._trivy_documents import (
    ModifiedFinding,
    OperatingSystem,
    ReportDocument,
    Result,
    Vulnerability,
)
from shopkart_pipeline.adapters._vulnerability_evidence import fingerprint
from shopkart_pipeline.domain.evidence import Finding, Severity

_SEVERITIES = {
    "LOW": Severity.LOW,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
    "UNKNOWN": Severity.UNKNOWN,
}
_PYTHON = frozenset({"pip", "pipenv", "poetry", "uv", "pylock", "python-pkg"})
_END_OF_LIFE = "end-of-life"
_SHOWN_SUPPRESSED = 20
_MESSAGE_CHARACTERS = 500
_STATEMENT_CHARACTERS = 200


@dataclass(frozen=True)
class Suppressed:
    """A vulnerability that does not count, and who says so."""

    id: str
    package: str
    status: str
    statement: str
    source: str

    @property
    def words(self) -> str:
        """All of it in one sentence."""
        said = f": {self.statement[:_STATEMENT_CHARACTERS]}" if self.statement else ", without a statement"
        return f"{self.id} in {self.package} does not count, {self.status} by {self.source or 'nobody named'}{said}."


class TrivyReport:
    """A report, read whole."""

    def __init__(self, content: bytes, only: Collection[str] | None = None) -> None:
        """
        Args:
            content: the report.
            only: the targets that count; None for all of them.

        Raises:
            ValueError: it is not a report of trivy, or holds more than is read.
        """
        report = ReportDocument.model_validate_json(content)
        self.version = report.Trivy.Version
        self._system = report.Metadata.OS
        self._results = [result for result in report.Results or () if only is None or result.Target in only]
        found = sum(len(result.Vulnerabilities or ()) for result in self._results)
        if found > MAXIMUM_FINDINGS:
            raise ValueError(f"it holds {found} findings, more than {MAXIMUM_FINDINGS}")

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of the packages that trivy saw."""
        return tuple(package.Name for result in self._results for package in result.Packages or ())

    def fingerprints(self) -> frozenset[str]:
        """What the vulnerabilities are recognised by, under each of their names."""
        return frozenset(
            fingerprint(name, _name(result, one))
            for result in self._results
            for one in result.Vulnerabilities or ()
            for name in (one.VulnerabilityID, *(one.VendorIDs or ()))
        )

    def findings(self, known: Set[str], folder: str | None = None) -> tuple[Finding, ...]:
        """Findings, the worst first; among them an operating system that is not supported any more.

        Args:
            known: fingerprints that the base had.
            folder: where the targets lie in the repository; None for an image, whose files lie nowhere there.
        """
        same: dict[tuple[str, str], list[tuple[Result, Vulnerability]]] = {}
        for result in self._results:
            for one in result.Vulnerabilities or ():
                same.setdefault((one.VulnerabilityID, _name(result, one)), []).append((result, one))
        lines = {} if folder is None else self._lines()
        findings = [_finding(group, known, folder, lines) for group in same.values()]
        if self._system is not None and self._system.EOSL:
            findings.append(_end_of_life(self._system))
        return tuple(sorted(findings, key=lambda one: (-one.severity.effective, one.package or "", one.rule)))

    def system_notes(self) -> tuple[str, ...]:
        """What is to be known about the packages of an image's operating system."""
        system = [result for result in self._results if result.Class == "os-pkgs" and result.Packages]
        if not system:
            return ("Trivy saw no packages of an operating system in the image: what a base brings was not judged.",)
        if any(result.Vulnerabilities for result in system):
            return ("Packages of the operating system count as new: what the base image had is not known.",)
        return ()

    def suppressed(self, sources: Mapping[str, str]) -> tuple[Suppressed, ...]:
        """What was suppressed, in its order, each once.

        Args:
            sources: names of the files in the repository, by the names that trivy was given.
        """
        found = (
            _suppressed(one, sources) for result in self._results for one in result.ExperimentalModifiedFindings or ()
        )
        return tuple(dict.fromkeys(found))

    def _lines(self) -> dict[str, int]:
        """Where the locks name packages, by their identifier."""
        return {
            package.Identifier.UID: package.Locations[0].StartLine
            for result in self._results
            for package in result.Packages or ()
            if package.Locations and package.Identifier.UID
        }


def suppression_notes(suppressed: tuple[Suppressed, ...]) -> tuple[str, ...]:
    """What was suppressed, in words; the report holds all of them."""
    shown = tuple(one.words for one in suppressed[:_SHOWN_SUPPRESSED])
    more = len(suppressed) - len(shown)
    return (*shown, f"{more} more are suppressed; the report names them.") if more else shown


def stored_report(content: bytes, artifact: str, sources: Mapping[str, str]) -> bytes:
    """A report as it may be kept: without the image's configuration, whose variables may hold what nobody should read
    here, and without names of this machine.

    Args:
        content: the report, which `TrivyReport` has read.
        artifact: what was looked at.
        sources: names of the files in the repository, by the names that trivy was given.
    """
    document = cast("dict[str, Any]", json_value(content))
    document["ArtifactName"] = artifact
    metadata = document.get("Metadata")
    if isinstance(metadata, dict):
        for name in ("ImageConfig", "Reference"):
            cast("dict[str, Any]", metadata).pop(name, None)
    for result in document.get("Results") or ():
        for one in result.get("ExperimentalModifiedFindings") or ():
            one["Source"] = sources.get(one.get("Source"), one.get("Source"))
    return json.dumps(document, indent=1).encode()


def _finding(
    group: list[tuple[Result, Vulnerability]], known: Set[str], folder: str | None, lines: Mapping[str, int]
) -> Finding:
    result, one = max(group, key=lambda pair: _SEVERITIES[pair[1].Severity])
    package = _name(result, one)
    names = {name for _, each in group for name in (each.VulnerabilityID, *(each.VendorIDs or ()))}
    path = one.PkgPath if folder is None else f"{folder}/{one.PkgPath or result.Target}".removeprefix("./")
    return Finding(
        rule=one.VulnerabilityID,
        severity=_SEVERITIES[one.Severity],
        message=(one.Title or "vulnerable version")[:_MESSAGE_CHARACTERS],
        fingerprint=fingerprint(one.VulnerabilityID, package),
        path=path,
        line=lines.get(one.PkgIdentifier.UID),
        package=package,
        installed_version=_told(each.InstalledVersion for _, each in group),
        fixed_in=_told(each.FixedVersion for _, each in group),
        is_new=known.isdisjoint(fingerprint(name, package) for name in names),
        link=one.PrimaryURL,
    )


def _name(result: Result, one: Vulnerability) -> str:
    """The name of a package, the same in a lock and in an image: Python spells names in several ways."""
    return canonicalize_name(one.PkgName) if result.Type in _PYTHON else one.PkgName


def _end_of_life(system: OperatingSystem) -> Finding:
    """An operating system whose vulnerabilities nobody looks for any more: few found in it mean little."""
    name = f"{system.Family} {system.Name}".strip()
    return Finding(
        rule=_END_OF_LIFE,
        severity=Severity.HIGH,
        message=f"{name} is not supported any more: nobody looks for its vulnerabilities.",
        fingerprint=fingerprint(_END_OF_LIFE, name),
        package=system.Family,
        installed_version=system.Name,
        fixed_in="a supported version",
    )


def _suppressed(one: ModifiedFinding, sources: Mapping[str, str]) -> Suppressed:
    named = {key: value for key, value in one.Finding.items() if isinstance(value, str)}
    return Suppressed(
        id=named.get("VulnerabilityID") or named.get("ID") or one.Type,
        package=named.get("PkgName") or named.get("Name") or "something unnamed",
        status=one.Status,
        statement=one.Statement,
        source=sources.get(one.Source, one.Source),
    )


def _told(texts: Iterable[str]) -> str | None:
    """Each text once, in its order; None where there is none."""
    return ", ".join(dict.fromkeys(text for text in texts if text)) or None
