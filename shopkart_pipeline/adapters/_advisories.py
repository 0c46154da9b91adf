"""Which packages advisories concern.

An advisory concerns a version if it lists it, or if one of its ranges holds it: events are applied in the order of
their versions, and a range that can't be read concerns every version. Withdrawn advisories concern nobody. Advisories
that are aliases of each other are one vulnerability; it has the worst of their severities.

Source: OSV schema 1.6, "affected" and "evaluation".
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shopkart_pipeline.adapters._osv_documents import Advisory, Affected, Event, severity
from shopkart_pipeline.adapters._packages import (
    Ecosystem,
    Order,
    Package,
    canonical_name,
    installed_version,
    lowest,
    version_of,
)
from shopkart_pipeline.domain.evidence import Severity

Hit = tuple[Advisory, Affected]
"""An advisory, and what it says about the package in question."""
Index = Mapping[tuple[Ecosystem, str], Sequence[Hit]]

_ECOSYSTEMS = {str(ecosystem): ecosystem for ecosystem in Ecosystem}
_PREFERRED = ("MAL-", "GHSA-", "PYSEC-", "CVE-")


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
    fix_unknown: bool = False
    """Whether nothing says if there is a version without it."""


def index_of(advisories: Iterable[Advisory]) -> Index:
    """What advisories say, by ecosystem and name of the package."""
    found: dict[tuple[Ecosystem, str], list[Hit]] = defaultdict(list)
    for advisory in advisories:
        for affected in advisory.affected if advisory.withdrawn is None else ():
            package = affected.package
            ecosystem = _ECOSYSTEMS.get(package.ecosystem.partition(":")[0]) if package else None
            if package and ecosystem:
                found[ecosystem, canonical_name(ecosystem, package.name)].append((advisory, affected))
    return found


def vulnerabilities(index: Index, packages: Iterable[Package]) -> tuple[Vulnerability, ...]:
    """What advisories warn of among these packages, in their order.

    Raises:
        ValueError: a version can't be read.
    """
    found: list[Vulnerability] = []
    for package in packages:
        version = installed_version(package)
        said = index.get((package.ecosystem, package.name), ())
        found += warnings(package, [hit for hit in said if _concerns(hit[1], package.ecosystem, version)])
    return tuple(found)


def warnings(package: Package, hits: Sequence[Hit]) -> list[Vulnerability]:
    """What advisories that concern a package come to.

    Raises:
        ValueError: its version can't be read.
    """
    version = installed_version(package)
    return [_vulnerability(package, version, group) for group in _groups(hits)]


def _concerns(affected: Affected, ecosystem: Ecosystem, version: Order) -> bool:
    listed = (_version(ecosystem, text) for text in affected.versions)
    return version in listed or any(
        _holds(one.events, ecosystem, version) for one in affected.ranges if one.type in ("ECOSYSTEM", "SEMVER")
    )


def _holds(events: Sequence[Event], ecosystem: Ecosystem, version: Order) -> bool:
    try:
        # Where a version is both fixed and introduced, it is taken to be vulnerable.
        ordered = sorted(
            ((_at(event, ecosystem), event) for event in events), key=lambda pair: (pair[0], pair[1].introduced or "")
        )
    except ValueError:
        return True
    concerned = False
    for at, event in ordered:
        if event.introduced is not None and version >= at:
            concerned = True
        elif (event.fixed is not None and version >= at) or (event.last_affected is not None and version > at):
            concerned = False
    return concerned


def _at(event: Event, ecosystem: Ecosystem) -> Order:
    """Where an event is; "0" is before every version, also before a pre-release of version 0."""
    text = event.introduced or event.fixed or event.last_affected or "0"
    return lowest(ecosystem) if text == "0" else version_of(ecosystem, text)


def _version(ecosystem: Ecosystem, text: str) -> Order | None:
    try:
        return version_of(ecosystem, text)
    except ValueError:
        return None


def _groups(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Advisories that share a name, together."""
    groups: list[list[Hit]] = []
    for hit in hits:
        same = [group for group in groups if any(hit[0].names & other.names for other, _ in group)]
        merged = [hit, *(one for group in same for one in group)]
        groups = [group for group in groups if group not in same] + [merged]
    return groups


def _vulnerability(package: Package, version: Order, group: Sequence[Hit]) -> Vulnerability:
    names = sorted({name for advisory, _ in group for name in advisory.names}, key=_preference)
    first = min((advisory for advisory, _ in group), key=lambda advisory: _preference(advisory.id))
    known = [one for one in (severity(*hit) for hit in group) if one is not Severity.UNKNOWN]
    fixes = [fix for _, affected in group for fix in _fixes(affected, package.ecosystem) if fix > version]
    urls = [reference.url for reference in first.references if reference.type == "ADVISORY"]
    return Vulnerability(
        package=package,
        id=first.id,
        aliases=tuple(name for name in names if name != first.id),
        summary=first.summary or first.details.partition("\n")[0],
        severity=max(known, default=Severity.UNKNOWN),
        fixed_in=str(min(fixes)) if fixes else None,
        link=urls[0] if urls else f"https://osv.dev/vulnerability/{first.id}",
        fix_unknown=not fixes and not any(_is_open(affected) for _, affected in group),
    )


def _preference(name: str) -> tuple[int, str]:
    return next((place for place, prefix in enumerate(_PREFERRED) if name.startswith(prefix)), len(_PREFERRED)), name


def _is_open(affected: Affected) -> bool:
    """Whether a range has no end: then no version is fixed. What ends with the last affected version does not say."""
    return any(
        all(event.fixed is None and event.last_affected is None for event in one.events)
        for one in affected.ranges
        if one.type != "GIT"
    )


def _fixes(affected: Affected, ecosystem: Ecosystem) -> list[Order]:
    texts = (event.fixed for one in affected.ranges if one.type != "GIT" for event in one.events if event.fixed)
    return [version for text in texts if (version := _version(ecosystem, text)) is not None]
