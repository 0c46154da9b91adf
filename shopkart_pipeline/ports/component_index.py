"""Which releases hold which packages: an index over the bills of materials, which can be made anew from them.

Nothing is decided by it that changes what runs: who needs proof reads the signed bill of the image.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from shopkart_pipeline.domain.component import PackageVersion

SBOM = "sbom"
"""Kind of the note that says which bill of materials is that of a release's image."""


@dataclass(frozen=True, order=True)
class DescribedRelease:
    """A release, and the image whose bill of materials is known."""

    service: str
    release_key: str
    digest: str
    """Of the image."""
    report: str
    """Digest of the bill in the evidence store."""


@dataclass(frozen=True, order=True)
class Holding:
    """A release that holds a package."""

    release: DescribedRelease
    package: PackageVersion


class ComponentIndex(ABC):
    """Remembers what images consist of."""

    @abstractmethod
    def add(self, release: DescribedRelease, packages: Collection[PackageVersion]) -> None:
        """Say what the image of a release consists of; again with the same changes nothing, and a newer image of the
        release takes the place of the one before."""

    @abstractmethod
    def replace(self, described: Iterable[tuple[DescribedRelease, Collection[PackageVersion]]]) -> int:
        """Forget everything and know these instead, all of them or, where this fails, none; returns how many."""

    @abstractmethod
    def versions(self, name: str, ecosystem: str | None = None) -> tuple[PackageVersion, ...]:
        """The versions of a package that any release holds, sorted; the case of the name does not count."""

    @abstractmethod
    def holding(self, packages: Collection[PackageVersion]) -> tuple[Holding, ...]:
        """The releases that hold any of these, by service and release, newest keys first."""

    @abstractmethod
    def packages(self, digest: str) -> tuple[PackageVersion, ...] | None:
        """What an image consists of, sorted; None where nobody has said."""

    @abstractmethod
    def names(self) -> frozenset[tuple[str, str]]:
        """Service and key of every release that it knows."""

    @abstractmethod
    def described(self) -> tuple[DescribedRelease, ...]:
        """All releases that it knows."""
