"""Advisories as documents in OSV format, as far as they are read.

Source: OSV schema 1.6.
"""

from pydantic import AwareDatetime, BaseModel, JsonValue, TypeAdapter

from shopkart_pipeline.adapters._cvss import base_score, severity_of
from shopkart_pipeline.domain.evidence import Severity

_SEVERITIES = {
    "LOW": Severity.LOW,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
}
_MALICIOUS = "MAL-"


class Event(BaseModel):
    """Where a range begins or ends."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class Range(BaseModel):
    """Versions between events."""

    type: str
    events: list[Event]


class AffectedPackage(BaseModel):
    """Whom an advisory concerns."""

    ecosystem: str
    name: str


class Score(BaseModel):
    """A severity, in a notation that its type names."""

    type: str
    score: str


class Affected(BaseModel):
    """What an advisory says about one package."""

    package: AffectedPackage | None = None
    ranges: list[Range] = []
    versions: list[str] = []
    severity: list[Score] = []


class Reference(BaseModel):
    """Where there is more to read."""

    type: str
    url: str


class Advisory(BaseModel):
    """One advisory."""

    id: str
    modified: AwareDatetime | None = None
    aliases: list[str] = []
    summary: str = ""
    details: str = ""
    withdrawn: AwareDatetime | None = None
    affected: list[Affected] = []
    severity: list[Score] = []
    references: list[Reference] = []
    database_specific: dict[str, JsonValue] = {}

    @property
    def names(self) -> set[str]:
        return {self.id, *self.aliases}


ADVISORY_FILE: TypeAdapter[Advisory | list[Advisory]] = TypeAdapter(Advisory | list[Advisory])
"""One advisory, or a list of them."""


def severity(advisory: Advisory, affected: Affected) -> Severity:
    """The worst that the advisory says, in words or as CVSS 3; unknown where it says nothing that can be read.
    A package that was published to do harm is critical."""
    word = str(advisory.database_specific.get("severity", "")).upper()
    found = [_SEVERITIES[word]] if word in _SEVERITIES else []
    if any(name.startswith(_MALICIOUS) for name in advisory.names):
        found.append(Severity.CRITICAL)
    for score in (*advisory.severity, *affected.severity):
        try:
            found.append(severity_of(base_score(score.score)))
        except ValueError:
            continue
    return max(found, default=Severity.UNKNOWN)
