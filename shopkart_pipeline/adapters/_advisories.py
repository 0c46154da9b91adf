"""A snapshot of advisories in OSV format, and which packages they concern.

A snapshot is a folder: `snapshot.json` (`taken_at`, `source`, `count`) and the advisories, one a file or many in a
list. Its count has to be right: a snapshot that lost a part is no snapshot. Withdrawn advisories concern nobody.

An advisory concerns a version if it lists it, or if one of its ranges holds it: events are applied in the order of
their versions, and a range that can't be read concerns every version. Advisories that are aliases of each other are one
vulnerability; it has the worst of their severities.

Source: OSV schema 1.6, "affected" and "evaluation"; PEP 440 for versions.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import AwareDatetime, BaseModel, JsonValue, TypeAdapter

from shopkart_pipeline.adapters._cvss import base_score, severity_of
from shopkart_pipeline.adapters._locked_packages import Package
from shopkart_pipeline.domain.evidence import Severity

_ABOUT = "snapshot.json"
_SEVERITIES = {
    "LOW": Severity.LOW,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
}
_PREFERRED = ("GHSA-", "PYSEC-", "CVE-")


class _About(BaseModel):
    taken_at: AwareDatetime
    source: str
    count: int


class _Event(BaseModel):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class _Range(BaseModel):
    type: str
    events: list[_Event]


class _AffectedPackage(BaseModel):
    ecosystem: str
    name: str


class _Score(BaseModel):
    type: str
    score: str


class _Affected(BaseModel):
    package: _AffectedPackage | None = None
    ranges: list[_Range] = []
    versions: list[str] = []
    severity: list[_Score] = []


class _Reference(BaseModel):
    type: str
    url: str


class Advisory(BaseModel):
    """One advisory, as far as it is read."""

    id: str
    aliases: list[str] = []
    summary: str = ""
    details: str = ""
    withdrawn: AwareDatetime | None = None
    affected: list[_Affected] = []
    severity: list[_Score] = []
    references: list[_Reference] = []
    database_specific: dict[str, JsonValue] = {}

    @property
    def names(self) -> set[str]:
        return {self.id, *self.aliases}


_ADVISORIES = TypeAdapter(list[Advisory])


@dataclass(frozen=True)
class Snapshot:
    """Advisories as they were at some moment."""

    taken_at: datetime
    source: str
    advisories: tuple[Advisory, ...]
    by_package: Mapping[str, Sequence[tuple[Advisory, _Affected]]]


@dataclass(frozen=True)
class Vulnerability:
    """A package in a version that advisories warn of."""

    package: Package
    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: Severity
    fixed_in: str | None
    link: str


def load_snapshot(folder: Path) -> Snapshot:
    """Read a snapshot.

    Raises:
        OSError: it can't be read.
        ValueError: it is not in OSV format, or not complete.
    """
    about = _About.model_validate_json((folder / _ABOUT).read_bytes())
    advisories: list[Advisory] = []
    for file in sorted(folder.rglob("*.json")):
        if file != folder / _ABOUT:
            content: object = json.loads(file.read_bytes())
            advisories += _ADVISORIES.validate_python(content if isinstance(content, list) else [content])
    if not advisories or len(advisories) != about.count:
        raise ValueError(f"{len(advisories)} advisories are there, {about.count} should be")
    by_package: dict[str, list[tuple[Advisory, _Affected]]] = defaultdict(list)
    for advisory in advisories:
        for affected in advisory.affected:
            package = affected.package
            if advisory.withdrawn is None and package is not None and package.ecosystem.partition(":")[0] == "PyPI":
                by_package[canonicalize_name(package.name)].append((advisory, affected))
    return Snapshot(about.taken_at, about.source, tuple(advisories), by_package)


def vulnerabilities(snapshot: Snapshot, packages: Iterable[Package]) -> tuple[Vulnerability, ...]:
    """What the snapshot warns of among these packages, in their order.

    Raises:
        ValueError: a version can't be read.
    """
    found: list[Vulnerability] = []
    for package in packages:
        try:
            version = Version(Version(package.version).public)
        except InvalidVersion as error:
            raise ValueError(f"{package.name} has the unreadable version {package.version!r}") from error
        hits = [(one, entry) for one, entry in snapshot.by_package.get(package.name, ()) if _concerns(entry, version)]
        found += [_vulnerability(package, version, group) for group in _groups(hits)]
    return tuple(found)


def _concerns(affected: _Affected, version: Version) -> bool:
    listed = (_version(text) for text in affected.versions)
    return version in listed or any(
        _holds(one.events, version) for one in affected.ranges if one.type in ("ECOSYSTEM", "SEMVER")
    )


def _holds(events: Sequence[_Event], version: Version) -> bool:
    try:
        # Where a version is both fixed and introduced, it is taken to be vulnerable.
        ordered = sorted(
            ((_at(event), event) for event in events), key=lambda pair: (pair[0], pair[1].introduced or "")
        )
    except InvalidVersion:
        return True
    concerned = False
    for at, event in ordered:
        if event.introduced is not None and version >= at:
            concerned = True
        elif (event.fixed is not None and version >= at) or (event.last_affected is not None and version > at):
            concerned = False
    return concerned


def _at(event: _Event) -> Version:
    text = event.introduced or event.fixed or event.last_affected
    if text is None:
        return Version("0")
    # "0" is before every version, also before a pre-release of version 0.
    return Version("0.dev0") if text == "0" else Version(text)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _groups(hits: Sequence[tuple[Advisory, _Affected]]) -> list[list[tuple[Advisory, _Affected]]]:
    """Advisories that share a name, together."""
    groups: list[list[tuple[Advisory, _Affected]]] = []
    for hit in hits:
        same = [group for group in groups if any(hit[0].names & other.names for other, _ in group)]
        merged = [hit, *(one for group in same for one in group)]
        groups = [group for group in groups if group not in same] + [merged]
    return groups


def _vulnerability(package: Package, version: Version, group: Sequence[tuple[Advisory, _Affected]]) -> Vulnerability:
    names = sorted({name for advisory, _ in group for name in advisory.names}, key=_preference)
    first = min((advisory for advisory, _ in group), key=lambda advisory: _preference(advisory.id))
    known = [one for one in (_severity(*hit) for hit in group) if one is not Severity.UNKNOWN]
    fixes = {fix for _, affected in group for fix in _fixes(affected) if fix > version}
    urls = [reference.url for reference in first.references if reference.type == "ADVISORY"]
    return Vulnerability(
        package=package,
        id=first.id,
        aliases=tuple(name for name in names if name != first.id),
        summary=first.summary or first.details.partition("\n")[0],
        severity=max(known, default=Severity.UNKNOWN),
        fixed_in=str(min(fixes)) if fixes else None,
        link=urls[0] if urls else f"https://osv.dev/vulnerability/{first.id}",
    )


def _preference(name: str) -> tuple[int, str]:
    return next((place for place, prefix in enumerate(_PREFERRED) if name.startswith(prefix)), len(_PREFERRED)), name


def _fixes(affected: _Affected) -> set[Version]:
    texts = (event.fixed for one in affected.ranges if one.type != "GIT" for event in one.events if event.fixed)
    return {version for text in texts if (version := _version(text)) is not None}


def _severity(advisory: Advisory, affected: _Affected) -> Severity:
    """The worst that the advisory says, in words or as CVSS 3; unknown where it says nothing that can be read."""
    word = str(advisory.database_specific.get("severity", "")).upper()
    found = [_SEVERITIES[word]] if word in _SEVERITIES else []
    for score in (*advisory.severity, *affected.severity):
        try:
            found.append(severity_of(base_score(score.score)))
        except ValueError:
            continue
    return max(found, default=Severity.UNKNOWN)
