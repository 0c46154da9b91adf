"""A waiver: somebody answers for a finding, for a while.

It names the finding (by fingerprint, or by rule and package or path), a reason, an owner and an expiry. It changes no
finding: gates that count findings leave it out of the count and say so, until the waiver expires. Then the gate is as
it was. A waiver whose finding is gone has ended for good; should the finding come back, it takes a new one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shopkart_pipeline.domain.canonical import digest_of

if TYPE_CHECKING:
    from shopkart_pipeline.domain.evidence import Finding

MAXIMUM_DAYS = 90
"""How far ahead a waiver may expire."""


@dataclass(frozen=True)
class Waiver:
    """One waiver, as the repository holds it."""

    stage: str
    """Whose gates it touches."""
    reason: str
    owner: str
    """Who answers for it: an e-mail address or `team:NAME`."""
    expires_at: datetime
    place: str
    """`file:line`."""
    finding: str | None = None
    """Fingerprint of the finding; otherwise `rule` is given, with `package` or `path`."""
    rule: str | None = None
    package: str | None = None
    path: str | None = None

    @property
    def id(self) -> str:
        """The same for the same words, wherever in the file they stand."""
        said = (self.stage, self.reason, self.owner, self.expires_at, self.finding, self.rule, self.package, self.path)
        return digest_of(said)

    def covers(self, finding: "Finding") -> bool:
        """Whether it is about this finding."""
        if self.finding is not None:
            return finding.fingerprint == self.finding
        named = self.package is not None or self.path is not None
        return (
            named
            and finding.rule == self.rule
            and self.package in (None, finding.package)
            and self.path in (None, finding.path)
        )

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return now < self.expires_at

    @property
    def words(self) -> str:
        """Who, until which last day and why, in one line."""
        return f"by {self.owner} until {self.expires_at - timedelta(microseconds=1):%Y-%m-%d}: {self.reason}"
