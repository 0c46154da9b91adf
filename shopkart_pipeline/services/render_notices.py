"""From evidence and verdicts to notices: what people at the code host read.

A check shows its gates with value and limit, what was waived or reused, and at most `MAXIMUM_ANNOTATIONS` findings at
their lines, the worst first. Text of tools goes through Markdown as text: a finding's message must not become a link,
an image or a mention. Nothing here asks or sends anything.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, StageRecord
from shopkart_pipeline.domain.notice import (
    Annotation,
    AnnotationLevel,
    CheckNotice,
    CheckStatus,
    Conclusion,
)
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome, Verdict
from shopkart_pipeline.services.phase_state import PhaseState

COMMIT_CHECK = "shopkart"
"""Name of the check over everything that a commit concerns; what branch protection asks for."""
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
        title=f"{words_of(record.result)}{' (reused)' if record.reused is not None else ''}"[:200],
        summary=shortened(_summary(release, record, gates)),
        annotations=annotations_of(record),
        details_url=url,
        started_at=record.started_at,
        completed_at=record.finished_at,
    )


def commit_check(
    repository: str, sha: str, states: Mapping[str, PhaseState], others: int, url: str | None = None
) -> CheckNotice:
    """The one check of a commit that branch protection asks for.

    Args:
        repository: where the commit is.
        sha: which one.
        states: continuous integration of each service that it concerns.
        others: how many services of the repository it does not concern.
        url: where there is more to see.
    """
    outcomes = {state.outcome for state in states.values()}
    finished = Outcome.MISSING not in outcomes
    conclusion = Conclusion.SKIPPED if not states else Conclusion.SUCCESS
    if Outcome.FAIL in outcomes:
        conclusion = Conclusion.FAILURE
    failed = [name for name, state in states.items() if state.outcome is Outcome.FAIL]
    title = "running" if not finished else f"did not pass: {', '.join(failed)}" if failed else "passed"
    parts = [f"{marked(state.outcome)} **{name}**\n\n{gate_table(_told(state))}" for name, state in states.items()]
    if others:
        parts.append(f"{others} {'service is' if others == 1 else 'services are'} not affected by this commit.")
    return CheckNotice(
        repository=repository,
        sha=sha,
        name=COMMIT_CHECK,
        status=CheckStatus.COMPLETED if finished else CheckStatus.IN_PROGRESS,
        conclusion=conclusion if finished else None,
        title=(title if states else "no service is affected")[:200],
        summary=shortened("\n\n".join(parts) or "Nothing of it belongs to a service."),
        details_url=url,
    )


def _told(state: PhaseState) -> Sequence[GateResult]:
    """What stops it, if something does; else everything."""
    return state.blocking or [line for line in state.lines if line.stage in state.ended]


def marked(outcome: Outcome) -> str:
    """An outcome as a sign."""
    return _MARKS[outcome]


def ended_check(release: Release, stage: str, conclusion: Conclusion, reason: str, url: str | None) -> CheckNotice:
    """The check of a stage whose run ended before the stage did."""
    return CheckNotice(
        repository=release.repository,
        sha=release.sha,
        name=check_name(release.service, stage),
        status=CheckStatus.COMPLETED,
        conclusion=conclusion,
        title=plain(reason)[:200],
        summary=f"{escape(reason)}. The stage left no result. Release `{release.name}`.",
        details_url=url,
    )


def check_name(service: str, stage: str) -> str:
    """How the check of a stage is called."""
    return f"{COMMIT_CHECK} / {service} / {stage}"


def gate_table(lines: Iterable[GateResult]) -> str:
    """Gates as Markdown, with value and limit."""
    rows = ["| | gate | value | limit | |", "| --- | --- | --- | --- | --- |"]
    for line in lines:
        value = f"{line.value:g}" if line.value is not None else "-"
        limit = f"{line.comparison.value} {line.limit:g}" if line.comparison and line.limit is not None else "-"
        gate = f"{line.stage}.{line.gate}"
        rows.append(f"| {_MARKS[line.outcome]} | `{gate}` | {value} | {escape(limit)} | {escape(line.reason)} |")
    return "\n".join(rows)


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


def words_of(result: Evidence | EvidenceMissing) -> str:
    """What a result says, in one line."""
    match result:
        case Evidence(summary=summary):
            return plain(summary)
        case EvidenceMissing(reason=reason):
            return plain(f"no evidence: {reason}")


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


def shortened(text: str) -> str:
    """Text that fits into what GitHub takes, cut at the end of a line."""
    if len(text) <= _SUMMARY_CHARACTERS:
        return text
    return text[:_SUMMARY_CHARACTERS].rpartition("\n")[0] + "\n\n… and more, see the details."
