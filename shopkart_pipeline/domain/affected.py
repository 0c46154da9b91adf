"""What an advisory or a package affects: releases, and the environments in which they run now."""

from dataclasses import dataclass
from enum import StrEnum

from shopkart_pipeline.domain.component import PackageVersion


class Effect(StrEnum):
    """How an environment stands to a question."""

    AFFECTED = "affected"
    CLEAR = "clear"
    UNKNOWN = "unknown"
    """What runs there has no bill of materials."""
    EMPTY = "empty"
    """Nothing is recorded to run there."""


@dataclass(frozen=True)
class AffectedPackage:
    """A package in a version that is meant, and why."""

    package: PackageVersion
    reason: str
    """One line for people."""


@dataclass(frozen=True)
class RunningEffect:
    """One service in one environment."""

    service: str
    environment: str
    effect: Effect
    release_key: str = ""
    digest: str = ""
    packages: tuple[PackageVersion, ...] = ()


@dataclass(frozen=True)
class AffectedRelease:
    """A release that holds a package that is meant."""

    service: str
    release_key: str
    digest: str
    packages: tuple[PackageVersion, ...]


@dataclass(frozen=True)
class AffectedReport:
    """The answer to one question."""

    question: str
    sources: tuple[str, ...]
    """Who said what is meant."""
    packages: tuple[AffectedPackage, ...]
    running: tuple[RunningEffect, ...]
    releases: tuple[AffectedRelease, ...]
    """Newest first by service."""
    unknown: tuple[str, ...]
    """Names of releases that have no bill of materials: nobody can say whether they are affected."""
    notes: tuple[str, ...] = ()

    @property
    def is_clear(self) -> bool:
        """Whether nothing that runs is affected, and of all that runs somebody can tell."""
        return all(each.effect in (Effect.CLEAR, Effect.EMPTY) for each in self.running)
