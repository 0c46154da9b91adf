"""What became of commands in comments: kept with the pull request, once per delivery, with the reason of a refusal.

Whoever reads a delivery again finds what became of it and does not decide anew, so a command that was refused stays
refused, and a rollback that was granted stays granted, at whatever moment a process died.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.comment_command import CommandLine
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.forge import CommentEvent
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import PullRequestName

COMMAND = "command"
"""Kind of the notes."""
_LONGEST_OUTCOME = 1000


@dataclass(frozen=True)
class CommandOutcome:
    """What became of a command."""

    login: str
    person: str
    """The e-mail address behind the login; empty for somebody whom the declaration did not know."""
    command: str
    """As it was written, such as `/rerun lint backend`."""
    is_done: bool
    """Whether all of it was done; otherwise something was refused."""
    outcome: str
    """In words, with the reason where something was refused."""
    at: datetime
    """When the comment was written."""
    url: str
    """Where the comment is."""
    taken_back: Mapping[str, str]
    """Releases that a rollback was asked for, by service."""


def commands_of(platform: Platform, name: PullRequestName) -> tuple[CommandOutcome, ...]:
    """What became of the commands at a pull request, in the order in which they were carried out."""
    return tuple(_outcome(note) for note in platform.evidence.notes(name.repository, name.key, COMMAND))


def outcome_of(platform: Platform, name: PullRequestName, delivery: Delivery) -> CommandOutcome | None:
    """What became of the command of one delivery; None while nothing did."""
    notes = platform.evidence.notes(name.repository, name.key, COMMAND)
    return next((_outcome(note) for note in notes if note.data["delivery"] == delivery.id), None)


def remember_outcome(
    platform: Platform,
    delivery: Delivery,
    event: CommentEvent,
    line: CommandLine,
    *,
    person: str,
    is_done: bool,
    outcome: str,
    taken_back: Mapping[str, str],
) -> CommandOutcome:
    """Keep what became of a command; returns what is kept, which is that of whoever came first."""
    name = PullRequestName(event.repository, event.number)
    note = Note(
        event.repository,
        name.key,
        delivery.received_at,
        COMMAND,
        f"{event.login} {line} (delivery {delivery.id})",
        {
            "delivery": delivery.id,
            "login": event.login,
            "person": person,
            "command": str(line),
            "is_done": is_done,
            "outcome": plain(outcome)[:_LONGEST_OUTCOME],
            "at": event.created_at.isoformat(),
            "url": event.url,
            "taken_back": ",".join(f"{service}@{key}" for service, key in taken_back.items()),
        },
    )
    platform.evidence.note_once(note)
    kept = outcome_of(platform, name, delivery)
    return kept if kept is not None else _outcome(note)


def _outcome(note: Note) -> CommandOutcome:
    taken_back = [each.partition("@") for each in str(note.data["taken_back"]).split(",") if each]
    return CommandOutcome(
        login=str(note.data["login"]),
        person=str(note.data["person"]),
        command=str(note.data["command"]),
        is_done=note.data["is_done"] is True,
        outcome=str(note.data["outcome"]),
        at=datetime.fromisoformat(str(note.data["at"])),
        url=str(note.data["url"]),
        taken_back={service: key for service, _, key in taken_back},
    )
