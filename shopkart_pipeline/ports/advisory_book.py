"""Advisories at hand, and what they say about packages that are known by name and version alone."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.domain.advisory import Concern, Warned
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing


class AdvisorySet(ABC):
    """Advisories of one source, as they were at one moment."""

    source: str
    """Who says it, and of when it is."""

    @abstractmethod
    def concerns(self, name: str) -> tuple[Concern, ...]:
        """The packages that an advisory of that name or alias is about; empty where it is not known, or withdrawn."""

    @abstractmethod
    def warnings(self, packages: Collection[PackageVersion]) -> tuple[Warned, ...]:
        """What it warns of among these. A version that can't be read is warned of wherever its package is named."""

    @abstractmethod
    def newest(self, limit: int) -> tuple[str, ...]:
        """The names of the advisories that were changed last, newest first."""

    @abstractmethod
    def evidence(
        self,
        packages: Collection[PackageVersion],
        base: Collection[PackageVersion],
        options: Mapping[str, str],
        now: datetime,
    ) -> Evidence | EvidenceMissing:
        """What a scan of these packages would leave today.

        Args:
            packages: what a release consists of.
            base: what was in production before: what it had already is not new.
            options: of the stage that scans; they say how old advisories may be.
            now: tells how old they are.
        """


class AdvisoryBook(ABC):
    """Where advisories are."""

    @abstractmethod
    def snapshot(self, folder: Path, name: str | None = None) -> AdvisorySet:
        """A dated snapshot.

        Args:
            folder: where it is.
            name: read only what may be about an advisory of that name; None reads all, and all has to be there.

        Raises:
            NotFound: there is none.
            UntrustedInput: it can't be read.
        """

    @abstractmethod
    def kept(self, name: str | None = None) -> AdvisorySet | None:
        """What a live service has told before, as far as it was kept; None where nothing was."""

    @abstractmethod
    def within(self, package: PackageVersion, versions: str) -> bool | None:
        """Whether a version is in a range such as `<2.32` or `>=1,<2`; None where that can't be told.

        Raises:
            UntrustedInput: it is no range in the notation of the package's ecosystem.
        """

    @abstractmethod
    def canonical(self, name: str) -> tuple[str, ...]:
        """The names under which a package may be known that a person calls so."""
