"""Who looked at what a release brings to production, before it was merged.

Every step that the branch took since the commit in production is traced to its pull request and the approvals that
stood when that was merged; a step without enough of them is a finding, which a waiver can answer for (an urgent fix
that was pushed directly). Where nothing is in production yet, the steps are those since the pipeline knows the branch:
otherwise what was pushed past everybody would be forgotten with the next merge.

A code host that asks for a rest or is away is waited for, as long as the stage may take; then there is no evidence,
and the stage is run again by itself later (`retry_reviews`).
"""

import json
from datetime import datetime, timedelta

from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.code_review import approvers
from shopkart_pipeline.domain.declaration import Phase, Source, Stage
from shopkart_pipeline.domain.evidence import (
    Evidence,
    EvidenceMissing,
    Finding,
    RawReport,
    Severity,
    Tool,
    ToolRun,
    fingerprint_of,
)
from shopkart_pipeline.domain.release import Commit, Release
from shopkart_pipeline.ports.code_host import CodeHostReader, TryLater
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.trace_commit import Trace, trace_commit

UNREVIEWED = "unreviewed-commit"
UNANSWERED = "the code host does not answer"
"""How the reason begins where asking again may help."""
_ALL_RELEASES = 100_000
_SHORTEST_PAUSE = timedelta(seconds=5)
_FACTS = 50
"""Commits that are told among the facts, the newest; the report has all of them."""


def collect_reviews(platform: Platform, release: Release, stage: Stage) -> ToolRun:
    """The reviews behind a release. Measures: `commits`, `unreviewed_commits`, `code_host` (1 where one is declared).

    Raises `NotFound` or `Refused` where the code host has no answer for these credentials.
    """
    steps, notes = _steps(platform, release)
    policy, reader = platform.pipeline.code_host, platform.code_reader
    if policy is None:
        notes = (*notes, "No code host is declared: nobody was asked how these commits came to the branch.")
        measures = {"commits": len(steps), "code_host": 0}
        return ToolRun(Evidence(Tool("code host", "none"), "no code host is declared", measures, notes=notes))
    tool = Tool("code host", policy.api, _rules(policy))
    if reader is None:
        return ToolRun(EvidenceMissing(f"there are no credentials for {policy.api}, so nobody could be asked", tool))
    source = platform.service(release.service).source
    deadline = platform.clock.now() + timedelta(seconds=stage.timeout_seconds)
    try:
        traces = [_trace(platform, reader, source, commit, deadline) for commit in steps]
    except TryLater as error:
        return ToolRun(EvidenceMissing(f"{UNANSWERED}: {error.what} {error.fix}", tool))
    problems = {trace.commit.sha: problem for trace in traces if (problem := _problem(trace, policy))}
    evidence = Evidence(
        tool=tool,
        summary=f"{len(steps) - len(problems)} of {len(steps)} commits were reviewed before they were merged",
        measures={"commits": len(steps), "unreviewed_commits": len(problems), "code_host": 1},
        findings=tuple(_finding(trace, problems[trace.commit.sha]) for trace in traces if trace.commit.sha in problems),
        facts={trace.commit.sha[:12]: _words(trace, policy) for trace in traces[-_FACTS:]},
        notes=notes,
    )
    return ToolRun(evidence, (_report(traces, policy, problems),))


def _steps(platform: Platform, release: Release) -> tuple[tuple[Commit, ...], tuple[str, ...]]:
    """The commits to be asked about, oldest first, and what should be known about their choice."""
    source = platform.service(release.service).source
    platform.scm.fetch(source, release.sha)
    placed = current(platform, release.service, platform.environment_of(Phase.PRODUCTION).name)
    if placed is not None:
        platform.scm.fetch(source, placed.commit)
        return platform.scm.first_parents(source, placed.commit, release.sha), ()
    merged = [each for each in platform.evidence.releases(release.service, _ALL_RELEASES) if not each.pull_request]
    first = min((each for each in merged if each.branch == release.branch), key=lambda each: each.received_at)
    base = first.previous_sha or first.sha
    platform.scm.fetch(source, base)
    steps = platform.scm.first_parents(source, base, release.sha)
    if first.previous_sha is None:
        steps = (platform.scm.commit(source, first.sha), *steps)
    note = f"Nothing is in production yet: asked about what came since {base[:12]}, where the pipeline began."
    return steps, (note,)


def _trace(platform: Platform, reader: CodeHostReader, source: Source, commit: Commit, deadline: datetime) -> Trace:
    while True:
        try:
            return trace_commit(platform, reader, source, commit)
        except TryLater as error:
            now = platform.clock.now()
            until = max(error.until, now + _SHORTEST_PAUSE)
            if until >= deadline:
                raise
            platform.clock.sleep((until - now).total_seconds())


def _rules(policy: CodeHostPolicy) -> str:
    stale = ", of the head that was merged" if policy.branch.dismiss_stale_reviews else ""
    return f"{policy.branch.reviews} approvals by others before the merge{stale}"


def _approvers(trace: Trace, policy: CodeHostPolicy) -> tuple[str, ...]:
    if trace.change is None:
        return ()
    stale = policy.branch.dismiss_stale_reviews
    return approvers(trace.change, trace.reviews, policy.people, dismiss_stale_reviews=stale)


def _problem(trace: Trace, policy: CodeHostPolicy) -> str:
    """Why a commit does not count as reviewed; empty where it does."""
    if trace.change is None:
        return trace.reason
    found, required = len(_approvers(trace, policy)), policy.branch.reviews
    if found >= required:
        return ""
    stood = "no approval" if found == 0 else f"{found} of {required} approvals"
    return f"{stood} stood when #{trace.change.number} was merged"


def _finding(trace: Trace, problem: str) -> Finding:
    commit = trace.commit
    return Finding(
        rule=UNREVIEWED,
        severity=Severity.HIGH,
        message=f"{commit.sha} ({commit.title[:100]}, {commit.author.name}): {problem}",
        fingerprint=fingerprint_of(UNREVIEWED, None, commit.sha),
        link=trace.change.url if trace.change is not None else None,
    )


def _words(trace: Trace, policy: CodeHostPolicy) -> str:
    if trace.change is None:
        return trace.reason
    names = ", ".join(_approvers(trace, policy)) or "nobody"
    return f"#{trace.change.number} by {trace.change.login}, approved by {names}"


def _report(traces: list[Trace], policy: CodeHostPolicy, problems: dict[str, str]) -> RawReport:
    told = [
        {
            "commit": trace.commit.sha,
            "author": trace.commit.author.email,
            "pull_request": trace.change.number if trace.change else None,
            "opened_by": trace.change.login if trace.change else None,
            "merged_at": trace.change.merged_at.isoformat() if trace.change and trace.change.merged_at else None,
            "approved_by": _approvers(trace, policy),
            "reviews": [
                {"login": each.login, "state": each.state.value, "head": each.sha, "at": each.submitted_at.isoformat()}
                for each in trace.reviews
            ],
            "problem": problems.get(trace.commit.sha),
        }
        for trace in traces
    ]
    return RawReport("code-review.json", "application/json", json.dumps(told, indent=1).encode())
