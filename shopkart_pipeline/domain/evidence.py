"""What a stage leaves behind: evidence, or the reason why there is none.

`Evidence` holds measures (numbers by name, with their unit in the name), findings and references to raw reports.
`EvidenceMissing` is a result of its own: a tool that is absent, crashed, ran out of time or wrote something
unreadable. Nothing else may stand for "nothing found". The words in them can be shown as they are (`plain_text`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.waiver import Waiver


class Severity(IntEnum):
    """Ordered severities. `UNKNOWN` is what a tool did not say; gates treat it as `HIGH`."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    UNKNOWN = 3
    HIGH = 4
    CRITICAL = 5

    @property
    def effective(self) -> "Severity":
        return Severity.HIGH if self is Severity.UNKNOWN else self


@dataclass(frozen=True)
class Tool:
    """Who produced the evidence. Rules name the rule set or the advisory data with its date."""

    name: str
    version: str
    rules: str = ""

    def __post_init__(self) -> None:
        _make_plain(self, "name", "version", "rules")


@dataclass(frozen=True)
class Finding:
    """One thing that a scanner found. Never holds a secret, not even in part."""

    rule: str
    severity: Severity
    message: str
    fingerprint: str
    """Stays the same when lines move; see `fingerprint_of`."""
    path: str | None = None
    line: int | None = None
    package: str | None = None
    installed_version: str | None = None
    fixed_in: str | None = None
    fix_unknown: bool = False
    """True where the scanner does not say whether any version fixes it; gates then count it as fixable."""
    is_new: bool = True
    """False where the base of the release (what runs in production) already had it."""
    link: str | None = None
    """An address on the web; None for anything else that a tool gives."""

    def __post_init__(self) -> None:
        _make_plain(self, "rule", "message", "path", "package", "installed_version", "fixed_in", "link")
        if self.link is not None and not self.link.startswith(("https://", "http://")):
            object.__setattr__(self, "link", None)


@dataclass(frozen=True)
class Report:
    """A raw report in the evidence store."""

    name: str
    media_type: str
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class RawReport:
    """A raw report on its way into the evidence store; already free of secrets."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Evidence:
    """What a stage established."""

    tool: Tool
    summary: str
    """One line for people."""
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Words that later stages or readers need, such as `digest`."""
    notes: tuple[str, ...] = ()
    """What was exempted, limited or can't be seen, in whole sentences."""
    reports: tuple[Report, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    """What the repository waives at this commit; in the evidence of the checkout alone."""

    def __post_init__(self) -> None:
        _make_plain(self, "summary")
        object.__setattr__(self, "notes", tuple(plain(note) for note in self.notes))


@dataclass(frozen=True)
class EvidenceMissing:
    """Why there is no evidence. It blocks."""

    reason: str
    tool: Tool | None = None
    reports: tuple[Report, ...] = ()

    def __post_init__(self) -> None:
        _make_plain(self, "reason")


@dataclass(frozen=True)
class ToolRun:
    """What an adapter returns: the result, and raw reports that the service stores beside it."""

    result: Evidence | EvidenceMissing
    raw: tuple[RawReport, ...] = ()


@dataclass(frozen=True)
class Reuse:
    """Which earlier attempt a result was taken from, because its inputs were the same."""

    release_key: str
    commit: str
    run_id: str
    produced_at: datetime
    """When the tool ended; the result is as old as that."""


@dataclass(frozen=True)
class StageRecord:
    """One finished attempt of a stage of a release, as the evidence store keeps it."""

    service: str
    release_key: str
    stage: str
    run_id: str
    started_at: datetime
    finished_at: datetime
    commit: str
    """The commit that was looked at."""
    subject_digest: str | None
    """Digest of the image that was looked at; None for stages before there is one."""
    result: Evidence | EvidenceMissing
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the result depends on, by name; empty where that can't be told, and then it stands for itself alone."""
    reused: Reuse | None = None
    """Set where no tool ran, because an earlier attempt had the same inputs."""

    @property
    def produced_at(self) -> datetime:
        """When the tool ended that the result is from."""
        return self.reused.produced_at if self.reused is not None else self.finished_at

    @property
    def input_keys(self) -> tuple[str, ...]:
        """The names by which the inputs are found again; none where they are not known."""
        return keys_of(self.inputs)

    @property
    def duration_seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()


BASE = "base"
"""Name of the input that says what new code was measured against."""


EARLIER_TESTS = "earlier_tests"
"""Name of the input that says which earlier list of tests was compared with. It is in no key: the list that comes next
is the one that this attempt leaves."""


def keys_of(inputs: Mapping[str, str]) -> tuple[str, ...]:
    """One name for all inputs, and one for all but the base; none where no inputs are known."""
    if not inputs:
        return ()
    keyed = {name: value for name, value in inputs.items() if name != EARLIER_TESTS}
    return digest_of(keyed), digest_of({name: value for name, value in keyed.items() if name != BASE})


def fingerprint_of(rule: str, path: str | None, text: str, occurrence: int = 0) -> str:
    """A name for a finding that survives moved lines: rule, path and the text found, not the line number.

    Args:
        rule: the scanner's rule.
        path: file, relative to the repository's root.
        text: what stands there, white space folded; for a secret pass its hash, never the secret.
        occurrence: counts equal texts in one file, from 0.
    """
    folded = " ".join(text.split())
    named = f"{rule}\0{path or ''}\0{folded}\0{occurrence}"
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _make_plain(told: Tool | Finding | Evidence | EvidenceMissing, *names: str) -> None:
    for name in names:
        words: str | None = getattr(told, name)
        if words is not None:
            object.__setattr__(told, name, plain(words))
