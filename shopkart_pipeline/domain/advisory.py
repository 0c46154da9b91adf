"""What advisories say: which package in which version they warn of."""

from dataclasses import dataclass

from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.evidence import Severity


@dataclass(frozen=True)
class Warned:
    """A package in a version that an advisory warns of."""

    package: PackageVersion
    advisory: str
    """The name that is shown."""
    names: frozenset[str]
    """All names of it, that one included."""
    summary: str
    severity: Severity
    fixed_in: str | None
    link: str


@dataclass(frozen=True)
class Concern:
    """A package that an advisory is about, in whatever version."""

    ecosystem: str
    name: str
    compared: bool
    """Whether versions of its ecosystem can be compared here."""
