"""Packages of the ecosystems that are judged: what they are called, and the order of their versions.

Sources: PEP 503 (names) and PEP 440 (versions) for PyPI; Semantic Versioning for npm, whose names are compared as they
are written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from packaging.utils import canonicalize_name
from packaging.version import Version

from shopkart_pipeline.adapters._semver import LOWEST, parse_semver


class Ecosystem(StrEnum):
    """Called as OSV calls them."""

    PYPI = "PyPI"
    NPM = "npm"


@dataclass(frozen=True)
class Package:
    """One package in one version."""

    name: str
    """Normalised as its ecosystem does."""
    version: str
    line: int | None = None
    """Where the lock names it, from 1."""
    conditional: bool = False
    """Only some platforms install it."""
    ecosystem: Ecosystem = Ecosystem.PYPI
    path: str | None = None
    """The lock that names it, relative to the repository's root; None where it was found installed."""


class Order(Protocol):
    """A version that can be compared with others of its ecosystem."""

    def __lt__(self, other: Any, /) -> bool: ...
    def __le__(self, other: Any, /) -> bool: ...
    def __gt__(self, other: Any, /) -> bool: ...
    def __ge__(self, other: Any, /) -> bool: ...


_LOWEST: dict[Ecosystem, Order] = {Ecosystem.PYPI: Version("0.dev0"), Ecosystem.NPM: LOWEST}
_PARSERS: dict[Ecosystem, Callable[[str], Order]] = {Ecosystem.PYPI: Version, Ecosystem.NPM: parse_semver}


def canonical_name(ecosystem: Ecosystem, name: str) -> str:
    """The name as it is compared."""
    return canonicalize_name(name) if ecosystem is Ecosystem.PYPI else name


def version_of(ecosystem: Ecosystem, text: str) -> Order:
    """A version of an ecosystem.

    Raises:
        ValueError: it is none.
    """
    return _PARSERS[ecosystem](text)


def lowest(ecosystem: Ecosystem) -> Order:
    """The version that comes before every other."""
    return _LOWEST[ecosystem]


def installed_version(package: Package) -> Order:
    """The version of a package as advisories speak of it: without what PyPI calls its local part.

    Raises:
        ValueError: it can't be read.
    """
    try:
        version = version_of(package.ecosystem, package.version)
    except ValueError as error:
        raise ValueError(f"{package.name} has the unreadable version {package.version[:60]!r}") from error
    return Version(version.public) if isinstance(version, Version) else version
