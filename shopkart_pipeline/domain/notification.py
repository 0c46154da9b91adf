"""What people are told, by which channels, and whom it goes to when nobody answers.

A notification has a key: telling the same key again tells nothing. A channel that is declared for escalation alone is
one that `first` leaves out. Secrets are named here, never held: the name of a variable or of a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Urgency(StrEnum):
    """How soon somebody has to look."""

    URGENT = "urgent"
    """Now, at night too."""
    NORMAL = "normal"
    """In working hours."""
    OVER = "over"
    """Nobody has to any more: what was told before has been resolved."""


@dataclass(frozen=True)
class Notification:
    """One thing to tell. Plain text: each channel writes it in its own way."""

    key: str
    """Names it for ever, such as `backend-1-production/opened`."""
    incident_id: str
    """What it belongs to: channels that can show all of one incident, or of one work item, in one place."""
    subject: str
    """One line."""
    body: str
    """Some lines."""
    url: str | None = None
    """Where to look; None where there is no such page."""
    urgency: Urgency = Urgency.URGENT


class ChannelKind(StrEnum):
    """How a channel reaches people."""

    SLACK = "slack"
    SMTP = "smtp"
    GITHUB_ISSUE = "github_issue"


@dataclass(frozen=True)
class SecretReference:
    """Where a secret is. Exactly one of the three is given."""

    variable: str | None = None
    file: Path | None = None
    stored: str | None = None
    """In AWS Secrets Manager: name or ARN, and `#KEY` for one value of a JSON object."""

    def __str__(self) -> str:
        return self.variable or self.stored or str(self.file)


@dataclass(frozen=True)
class Channel:
    """One declared channel."""

    name: str
    kind: ChannelKind
    secret: SecretReference | None = None
    """The webhook's address for Slack, the password for SMTP; None: none is needed."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the kind needs beside it, such as `server` or `repository`."""
    recipients: tuple[str, ...] = ()
    """Addresses of e-mail, or labels of an issue."""


@dataclass(frozen=True)
class NotificationPolicy:
    """All channels, and who is told when."""

    channels: Mapping[str, Channel]
    first: tuple[str, ...]
    """Told at once."""
    escalate_after_seconds: float = 600.0
    escalate_to: tuple[str, ...] = ()
    """Told one after the other, each that long after the one before, while nobody acknowledges."""
