"""A component index in memory."""

from collections.abc import Collection, Iterable

from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.ports.component_index import ComponentIndex, DescribedRelease, Holding


class MemoryComponentIndex(ComponentIndex):
    """Looks through everything for every question."""

    def __init__(self) -> None:
        self._releases: dict[tuple[str, str], DescribedRelease] = {}
        self._images: dict[str, frozenset[PackageVersion]] = {}

    def add(self, release: DescribedRelease, packages: Collection[PackageVersion]) -> None:
        self._releases[release.service, release.release_key] = release
        self._images[release.digest] = frozenset(packages)

    def replace(self, described: Iterable[tuple[DescribedRelease, Collection[PackageVersion]]]) -> int:
        found = list(described)
        self._releases.clear()
        self._images.clear()
        for release, packages in found:
            self.add(release, packages)
        return len(found)

    def versions(self, name: str, ecosystem: str | None = None) -> tuple[PackageVersion, ...]:
        held = (each for release in self._releases.values() for each in self._images[release.digest])
        wanted = {each for each in held if each.name.lower() == name.lower() and ecosystem in (None, each.ecosystem)}
        return tuple(sorted(wanted))

    def holding(self, packages: Collection[PackageVersion]) -> tuple[Holding, ...]:
        wanted = set(packages)
        found = [
            Holding(release, package)
            for release in self._releases.values()
            for package in self._images[release.digest] & wanted
        ]
        found.sort(key=lambda one: (one.release.release_key, one.package), reverse=True)
        return tuple(sorted(found, key=lambda one: one.release.service))

    def packages(self, digest: str) -> tuple[PackageVersion, ...] | None:
        found = self._images.get(digest)
        return None if found is None else tuple(sorted(found))

    def names(self) -> frozenset[tuple[str, str]]:
        return frozenset(self._releases)

    def described(self) -> tuple[DescribedRelease, ...]:
        return tuple(sorted(self._releases.values()))
