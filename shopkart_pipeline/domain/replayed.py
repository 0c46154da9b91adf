"""What another policy, or today's advisories, would have made of past releases."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shopkart_pipeline.domain.verdict import Outcome, Verdict


class Change(StrEnum):
    """How the replayed verdict differs from what happened."""

    SAME = "same"
    WOULD_BE_BLOCKED = "would be blocked"
    """It went to production, and would not have been let there."""
    WOULD_HAVE_PASSED = "would have passed"
    """It did not go to production, and no gate would have stood in its way; an approval may have."""


@dataclass(frozen=True)
class ReplayedRelease:
    """One release, judged again."""

    service: str
    release_key: str
    digest: str | None
    """Of its image; None where there never was one."""
    moment: datetime
    """As of when it is judged."""
    went_to_production: bool
    verdict: Verdict

    @property
    def name(self) -> str:
        return f"{self.service}@{self.release_key}"

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome

    @property
    def change(self) -> Change:
        passes = self.outcome is Outcome.PASS
        if passes == self.went_to_production:
            return Change.SAME
        return Change.WOULD_HAVE_PASSED if passes else Change.WOULD_BE_BLOCKED


@dataclass(frozen=True)
class ReplayReport:
    """All of them, newest first by service."""

    policy: str
    """Digest of the declaration by which they were judged."""
    since: datetime
    advisories: str
    """Whose advisories the scans were judged by."""
    releases: tuple[ReplayedRelease, ...]

    def count(self, change: Change) -> int:
        """How many releases there are of which this holds."""
        return sum(each.change is change for each in self.releases)

    @property
    def blocked_by(self) -> Mapping[tuple[str, str, Outcome], int]:
        """How many releases each line would have stopped: by stage, gate and outcome, most first."""
        lines = Counter(
            (line.stage, line.gate, line.outcome) for each in self.releases for line in each.verdict.blocking
        )
        return dict(sorted(lines.items(), key=lambda item: (-item[1], item[0])))
