"""From evidence and verdicts to notices: what people at the code host read.

A check shows its gates with value and limit, what was waived or reused, and at most `MAXIMUM_ANNOTATIONS` findings at
their lines, the worst first. Text of tools goes through Markdown as text: a finding's message must not become a link,
an image or a mention. Nothing here asks or sends anything.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, StageRecord
from shopkart_pipeline.domain.notice import (
    Annotation,
    AnnotationLevel,
    CheckNotice,
    CheckStatus,
    CommentNotice,
    Conclusion,
)
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome, Verdict

MAXIMUM_ANNOTATIONS = 200
"""More than people read; code scanning gets all of them."""
_SUMMARY_CHARACTERS = 60_000
"""GitHub takes 65,535."""
_MARKS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.MISSING: "❔", Outcome.SKIPPED: "⏭️"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@])")


def running_check(release: Release, stage: str, started_at: datetime, url: str | None) -> CheckNotice:
    """The check of a stage that has begun."""
    return CheckNotice(
        repository=release.repository,
        sha=release.sha,
        name=check_name(release.service, stage),
        status=CheckStatus.IN_PROGRESS,
        conclusion=None,
        title="running",
        summary=f"Release `{release.name}`.",
        details_url=url,
        started_at=started_at,
    )


def finished_check(release: Release, record: StageRecord, gates: Sequence[GateResult], url: str | None) -> CheckNotice:
    """The check of a stage that has ended."""
    passed = Verdict(tuple(gates)).outcome is Outcome.PASS
    return CheckNotice(
        repository=release.repository,
        sha=release.sha,
        name=check_name(release.service, record.stage),
        status=CheckStatus.COMPLETED,
        conclusion=Conclusion.SUCCESS if passed else Conclusion.FAILURE,
        title=plain(_title(record))[:200],
        summary=_shortened(_summary(release, record, gates)),
        annotations=annotations_of(record),
        details_url=url,
        started_at=record.started_at,
        completed_at=record.finished_at,
    )


def overall_check(
    release: Release, lines: Sequence[GateResult], *, finished: bool, now: datetime, url: str | None
) -> CheckNotice:
    """The one check of a service that branch protection asks for: its continuous integration as a whole."""
    verdict = Verdict(tuple(lines))
    passed = verdict.outcome is Outcome.PASS
    title = "passed" if passed else "; ".join(plain(line.line) for line in verdict.blocking[:2]) or "nothing was judged"
    return CheckNotice(
        repository=release.repository,
        sha=release.sha,
        name=check_name(release.service, None),
        status=CheckStatus.COMPLETED if finished else CheckStatus.IN_PROGRESS,
        conclusion=(Conclusion.SUCCESS if passed else Conclusion.FAILURE) if finished else None,
        title=title[:200] if finished else "running",
        summary=_shortened(f"Release `{release.name}`.\n\n{gate_table(lines)}") if finished else f"`{release.name}`",
        details_url=url,
        completed_at=now if finished else None,
    )


def not_affected_check(repository: str, sha: str, service: str, reason: str, now: datetime) -> CheckNotice:
    """The check of a service that a change does not concern; it satisfies a required check."""
    return CheckNotice(
        repository=repository,
        sha=sha,
        name=check_name(service, None),
        status=CheckStatus.COMPLETED,
        conclusion=Conclusion.SKIPPED,
        title="not affected",
        summary=escape(reason),
        completed_at=now,
    )


def check_name(service: str, stage: str | None) -> str:
    """How a check is called; that of the whole service has the service's name alone."""
    return f"shopkart / {service}" + (f" / {stage}" if stage else "")


def gate_table(lines: Iterable[GateResult]) -> str:
    """Gates as Markdown, with value and limit."""
    rows = ["| | gate | value | limit | |", "| --- | --- | --- | --- | --- |"]
    for line in lines:
        value = f"{line.value:g}" if line.value is not None else "-"
        limit = f"{line.comparison.value} {line.limit:g}" if line.comparison and line.limit is not None else "-"
        gate = f"{line.stage}.{line.gate}"
        rows.append(f"| {_MARKS[line.outcome]} | `{gate}` | {value} | {escape(limit)} | {escape(line.reason)} |")
    return "\n".join(rows)


def pull_request_comment(
    release: Release, number: int, services: Sequence[tuple[str, str, Sequence[GateResult]]]
) -> CommentNotice:
    """The one comment at a pull request.

    Args:
        release: the newest one of the pull request; names repository and commit.
        number: of the pull request.
        services: name, state in words, and gates of each service.
    """
    parts = [f"### ShopKart pipeline at `{release.sha[:12]}`"]
    for name, state, lines in services:
        blocking = Verdict(tuple(lines)).blocking
        parts.append(f"**{name}**: {escape(state)}")
        if blocking:
            parts.append(gate_table(blocking))
    return CommentNotice(release.repository, number, _shortened("\n\n".join(parts)))


def annotations_of(record: StageRecord) -> tuple[Annotation, ...]:
    """Findings that have a place in a file, new ones and the worst first."""
    if not isinstance(record.result, Evidence):
        return ()
    placed = [finding for finding in record.result.findings if finding.path]
    worst = sorted(placed, key=lambda finding: (not finding.is_new, -finding.severity.effective, finding.path or ""))
    return tuple(_annotation(finding) for finding in worst[:MAXIMUM_ANNOTATIONS])


def _annotation(finding: Finding) -> Annotation:
    fixed = f" Fixed in {finding.fixed_in}." if finding.fixed_in else ""
    known = "" if finding.is_new else " (known to production)"
    level = AnnotationLevel.NOTICE
    if finding.is_new:
        severe = finding.severity.effective >= Severity.HIGH
        level = AnnotationLevel.FAILURE if severe else AnnotationLevel.WARNING
    return Annotation(
        path=finding.path or "",
        line=finding.line or 1,
        level=level,
        title=plain(f"{finding.rule} ({finding.severity.name.lower()}){known}")[:200],
        message=plain(f"{finding.message}{fixed}")[:4000] or finding.rule,
    )


def _title(record: StageRecord) -> str:
    match record.result:
        case Evidence(summary=summary):
            return f"{summary} (reused)" if record.reused is not None else summary
        case EvidenceMissing(reason=reason):
            return f"no evidence: {reason}"


def _summary(release: Release, record: StageRecord, gates: Sequence[GateResult]) -> str:
    parts = [gate_table(gates)]
    if record.reused is not None:
        parts.append(f"Reused from release `{record.reused.release_key}`: the same inputs.")
    if isinstance(record.result, Evidence):
        parts += ["\n".join(f"- {escape(note)}" for note in record.result.notes)] if record.result.notes else []
        tool = record.result.tool
        parts.append(escape(f"By {tool.name} {tool.version} {tool.rules}".strip()) + ".")
    parts.append(f"Release `{release.name}`.")
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line; mentions and links stay text."""
    return _SPECIAL.sub(r"\\\1", plain(text)).replace("://", ":&#47;&#47;").replace("\\@", "&#64;")


def _shortened(text: str) -> str:
    if len(text) <= _SUMMARY_CHARACTERS:
        return text
    return text[:_SUMMARY_CHARACTERS].rpartition("\n")[0] + "\n\n… and more, see the details."
