"""The one comment of the pipeline at a pull request: how its head stands, what became of it after the merge, and what
people asked for. The same state gives the same text, so a comment that says nothing new is not edited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.notice import CommentNotice
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.services.command_history import CommandOutcome
from shopkart_pipeline.services.phase_state import PhaseState
from shopkart_pipeline.services.render_notices import escape, gate_table, marked, shortened
from shopkart_pipeline.services.requests import PullRequestName

_WORDS = {Outcome.PASS: "passed", Outcome.FAIL: "stopped", Outcome.MISSING: "…"}
_HEADINGS = {Phase.CI: "continuous integration", Phase.STAGING: "staging", Phase.PRODUCTION: "production"}
_COMMANDS_SHOWN = 5
_HELP = (
    "Commands, one at the beginning of a comment, for those whom the declaration names: `/rerun STAGE`, and after the "
    "merge `/approve`, `/rollback`."
)


@dataclass(frozen=True)
class Progress:
    """How a commit stands."""

    sha: str
    rows: Mapping[str, Mapping[Phase, PhaseState]]
    """By service."""
    others: int
    """Services that it does not concern."""
    approvals: Mapping[str, str]
    """What is said about approvals, by service; those that nothing is to be said about are not here."""


def pull_request_comment(
    name: PullRequestName, head: Progress | None, merged: Progress | None, commands: Sequence[CommandOutcome]
) -> CommentNotice:
    """The comment.

    Args:
        name: of the pull request.
        head: how its head stands; None while nothing is known about it.
        merged: how the commit stands that it was merged as; None before.
        commands: what was asked for in its comments, oldest first.
    """
    parts = ["### ShopKart pipeline"]
    if merged is not None:
        parts += [f"Merged as `{merged.sha[:12]}`.", *_told(merged)]
    elif head is not None:
        parts += [f"At `{head.sha[:12]}`.", *_told(head)]
    else:
        parts.append("No service is released from this change.")
    if commands:
        parts.append("\n".join(_command(each) for each in commands[-_COMMANDS_SHOWN:]))
    return CommentNotice(name.repository, name.number, shortened("\n\n".join([*parts, _HELP])))


def _told(progress: Progress) -> list[str]:
    parts = [_table(progress)] if progress.rows else ["No service is affected."]
    if progress.rows and progress.others:
        parts.append(f"{progress.others} {'service is' if progress.others == 1 else 'services are'} not affected.")
    for service, states in progress.rows.items():
        for phase, state in states.items():
            if state.blocking:
                parts += [f"**{service}** stopped in {_HEADINGS[phase]}:", gate_table(state.blocking)]
    return parts


def _table(progress: Progress) -> str:
    phases = list(next(iter(progress.rows.values())))
    lines = [f"| service | {' | '.join(_HEADINGS[phase] for phase in phases)} |", "| --- |" + " --- |" * len(phases)]
    for service, states in progress.rows.items():
        cells = [_cell(progress, service, phase, state) for phase, state in states.items()]
        lines.append(f"| {service} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(progress: Progress, service: str, phase: Phase, state: PhaseState) -> str:
    if state.outcome is Outcome.MISSING:
        awaits = progress.approvals.get(service) if phase is Phase.PRODUCTION and not state.ended else None
        return f"awaits approval ({awaits})" if awaits else _WORDS[state.outcome]
    return f"{marked(state.outcome)} {_WORDS[state.outcome]}"


def _command(outcome: CommandOutcome) -> str:
    shown = outcome.command.replace("`", "'")
    return f"- {escape(outcome.login)} `{shown}`: {escape(outcome.outcome)}"
