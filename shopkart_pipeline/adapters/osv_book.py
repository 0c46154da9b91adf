"""Advisories in OSV format: dated snapshots, and what a live service told before.

One advisory may be asked for by any of its names. Then only files that hold the name are parsed, so a large snapshot
answers at once. Versions of PyPI and npm are compared; what advisories say about other ecosystems is not, and who asks
is told so.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from shopkart_pipeline.adapters._advisories import Index, Vulnerability, index_of, vulnerabilities
from shopkart_pipeline.adapters._advisory_age import maximum_age_days, outdated
from shopkart_pipeline.adapters._npm_range import holds, is_range
from shopkart_pipeline.adapters._osv_documents import Advisory, severity
from shopkart_pipeline.adapters._packages import Ecosystem, Package, canonical_name, installed_version
from shopkart_pipeline.adapters._report_limits import why
from shopkart_pipeline.adapters._semver import Semver
from shopkart_pipeline.adapters._snapshot import (
    MAXIMUM_AGE_DAYS,
    Snapshot,
    load_snapshot,
    read_advisories,
    snapshot_measures,
)
from shopkart_pipeline.adapters._vulnerability_evidence import evidence_of, findings_of, fingerprints
from shopkart_pipeline.domain.advisory import Concern, Warned
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.ports.advisory_book import AdvisoryBook, AdvisorySet

_ECOSYSTEMS = {each.value: each for each in Ecosystem}
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class OsvAdvisorySet(AdvisorySet):
    """Advisories that were read.

    Args:
        source: as people are told.
        advisories: all of them.
        index: the same by package.
        snapshot: what they are a snapshot of; None where they are none, and then no evidence comes of them.
    """

    def __init__(
        self, source: str, advisories: Sequence[Advisory], index: Index, snapshot: Snapshot | None = None
    ) -> None:
        self.source = source
        self._advisories, self._index, self._snapshot = advisories, index, snapshot
        self._ecosystems = frozenset(ecosystem for ecosystem, _ in index)
        self._of = lru_cache(maxsize=50_000)(self._vulnerabilities)

    def concerns(self, name: str) -> tuple[Concern, ...]:
        named = [one for one in self._advisories if one.withdrawn is None and _is_called(one, name)]
        packages = [each.package for one in named for each in one.affected if each.package is not None]
        found: dict[Concern, None] = {}
        for package in packages:
            ecosystem = package.ecosystem.partition(":")[0]
            known = _ECOSYSTEMS.get(ecosystem)
            name_there = canonical_name(known, package.name) if known else package.name
            found[Concern(ecosystem, name_there, known is not None)] = None
        return tuple(found)

    def warnings(self, packages: Collection[PackageVersion]) -> tuple[Warned, ...]:
        return tuple(warned for package in packages for warned in self._warned(package))

    def newest(self, limit: int) -> tuple[str, ...]:
        standing = (one for one in self._advisories if one.withdrawn is None)
        ordered = sorted(standing, key=lambda one: (one.modified or _EARLIEST, one.id), reverse=True)
        return tuple(one.id for one in ordered[:limit])

    def evidence(
        self,
        packages: Collection[PackageVersion],
        base: Collection[PackageVersion],
        options: Mapping[str, str],
        now: datetime,
    ) -> Evidence | EvidenceMissing:
        snapshot = self._snapshot
        if snapshot is None:
            return EvidenceMissing(f"{self.source} is no snapshot of all that is known")
        judged, before = ([each for each in map(_package, some) if each is not None] for some in (packages, base))
        try:
            late = outdated(snapshot.taken_at, now, maximum_age_days(options, MAXIMUM_AGE_DAYS))
            if late is not None:
                return EvidenceMissing(f"{late}: renew the snapshot", snapshot.tool)
            if self._ecosystems.isdisjoint(each.ecosystem for each in judged):
                return EvidenceMissing("the snapshot knows nothing of the release's packages", snapshot.tool)
            found = [one for each in judged for one in self._of(each)]
            known = fingerprints(one for each in before for one in self._of(each))
        except ValueError as error:
            return EvidenceMissing(str(error), snapshot.tool)
        measures = snapshot_measures(snapshot, now)
        return evidence_of(snapshot.tool, findings_of(found, known), judged, (), measures)

    def _vulnerabilities(self, package: Package) -> tuple[Vulnerability, ...]:
        return vulnerabilities(self._index, (package,))

    def _warned(self, told: PackageVersion) -> list[Warned]:
        package = _package(told)
        if package is None:
            return []
        try:
            found = self._of(package)
        except ValueError:
            hits = self._index.get((package.ecosystem, package.name), ())
            return [
                Warned(told, one.id, frozenset(one.names), one.summary, severity(one, affected), None, "")
                for one, affected in hits
            ]
        return [
            Warned(told, one.id, frozenset((one.id, *one.aliases)), one.summary, one.severity, one.fixed_in, one.link)
            for one in found
        ]


class OsvBook(AdvisoryBook):
    """Snapshots in folders, and the folder in which a live service's advisories are kept.

    Args:
        cache: that folder; it need not be there.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def snapshot(self, folder: Path, name: str | None = None) -> AdvisorySet:
        try:
            read = load_snapshot(folder, name)
        except FileNotFoundError as error:
            raise NotFound(f"There is no advisory snapshot in {folder.name}.", "See docs/dependencies.md.") from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else why(error)
            raise UntrustedInput(f"The advisories in {folder.name} can't be read: {reason}.", "Renew them.") from error
        return OsvAdvisorySet(
            f"snapshot of {read.taken_at:%Y-%m-%d} ({read.source})", read.advisories, read.index, read
        )

    def kept(self, name: str | None = None) -> AdvisorySet | None:
        found: list[Advisory] = []
        for file in sorted(self._cache.glob("*.json")):
            try:
                found += read_advisories(file, name)
            except (OSError, ValueError):
                continue  # It is fetched again by whoever asks the service; here it is one that is not known.
        return OsvAdvisorySet("what the live service told before", found, index_of(found)) if found else None

    def within(self, package: PackageVersion, versions: str) -> bool | None:
        known = _package(package)
        if known is None:
            return package.version == versions.removeprefix("==") or None
        try:
            version = installed_version(known)
        except ValueError:
            return None
        if isinstance(version, Version):
            try:
                return SpecifierSet(
                    versions if versions[:1] in "<>=!~" else f"=={versions}", prereleases=True
                ).contains(version)
            except InvalidSpecifier as error:
                raise _no_range(versions, "`<2.32`, `>=1.0,<1.5` or `1.4.2`") from error
        readable = versions.replace(",", " ")
        if not is_range(readable):
            raise _no_range(versions, "`<4.17.21`, `>=1.0.0 <1.5.0` or `1.4.2`")
        return isinstance(version, Semver) and holds(readable, version)

    def canonical(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((name, canonicalize_name(name))))


def _is_called(advisory: Advisory, name: str) -> bool:
    return name.lower() in {each.lower() for each in advisory.names}


def _package(package: PackageVersion) -> Package | None:
    ecosystem = _ECOSYSTEMS.get(package.ecosystem)
    return None if ecosystem is None else Package(package.name, package.version, ecosystem=ecosystem)


def _no_range(versions: str, examples: str) -> UntrustedInput:
    return UntrustedInput(f"{versions!r} is no range of versions.", f"Write {examples}.")
