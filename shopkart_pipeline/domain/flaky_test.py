"""Flaky tests: they failed and passed on the same commit. How evidence names them, and how often they were.

The name of the test stands at the beginning of the finding's message, and how it went at the end, so that a finding
that is read back years later still says both.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity, fingerprint_of

FLAKY_TEST = "flaky-test"
_NAME_CHARACTERS = 400


@dataclass(frozen=True)
class FlakyTest:
    """A test, and in how many of the latest releases it was flaky."""

    name: str
    releases: int
    of_releases: int
    """Releases that executed the stage, newest ones only."""

    @property
    def line(self) -> str:
        """As people read it."""
        return f"{self.name} was flaky in {self.releases} of the last {self.of_releases} releases"


def flaky_finding(name: str, path: str | None, how: str) -> Finding:
    """The finding about a flaky test.

    Args:
        name: full name of the test.
        path: its file, where that is known.
        how: such as `passed on attempt 2 of 3`.
    """
    fingerprint = fingerprint_of(FLAKY_TEST, path, name)
    return Finding(FLAKY_TEST, Severity.LOW, f"{name[:_NAME_CHARACTERS]}: {how}", fingerprint, path)


def flaky_names(evidence: Evidence) -> frozenset[str]:
    """Names of the tests that evidence calls flaky."""
    return frozenset(finding.message.rpartition(": ")[0] for finding in evidence.findings if finding.rule == FLAKY_TEST)


def count_flaky(releases: Sequence[Evidence]) -> tuple[FlakyTest, ...]:
    """In how many of these releases each test was flaky, the worst first; one stage's evidence for each release."""
    counts = Counter(name for evidence in releases for name in flaky_names(evidence))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(FlakyTest(name, count, len(releases)) for name, count in ordered)
