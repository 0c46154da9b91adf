"""How people are told, and the notifications on their way to them.

A notification is kept when `put` returns; it is sent later, in the order of its channel, until it has arrived. No
channel waits for another.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notification import Notification


class NotDelivered(PipelineError):
    """A channel did not take a notification; it is tried again."""

    def __init__(self, what: str, fix: str, wait_seconds: float = 0.0) -> None:
        super().__init__(what, fix)
        self.wait_seconds = wait_seconds
        """For which the channel asks to be left alone."""


class Notifier(ABC):
    """One channel. Everything it does has a deadline of its own, as a channel may hang."""

    @abstractmethod
    def send(self, notification: Notification, remote_id: str | None, *, maybe_sent: bool) -> str:
        """Tell people, and return what the channel calls the thing that shows it; empty where it has no name.

        Args:
            notification: what to tell.
            remote_id: what the channel calls the thing that shows earlier ones of the same incident, where that is
                known.
            maybe_sent: whether an earlier try may have arrived; a channel that can look for it does.

        Raises:
            NotDelivered: it did not arrive as far as is known, and may the next time.
            Refused: this notification can never arrive.
        """


@dataclass(frozen=True)
class Queued:
    """A notification that has to be sent."""

    sequence: int
    channel: str
    notification: Notification
    attempts: int
    """How often it was tried before."""
    put_at: datetime
    remote_id: str | None
    """What the channel calls the thing that shows earlier ones of the incident."""


@dataclass(frozen=True)
class Untold:
    """A notification that has not arrived."""

    channel: str
    notification: Notification
    put_at: datetime
    attempts: int
    reason: str
    """Why it did not arrive so far; empty where it was not tried yet."""
    given_up: bool
    """Whether it is not tried again."""


class NotificationQueue(ABC):
    """Durable; in order for each channel, and each key once for each channel."""

    @abstractmethod
    def put(self, notification: Notification, channels: Sequence[str], now: datetime) -> tuple[str, ...]:
        """Keep a notification for channels, all of them or none; durable when this returns. Returns those channels for
        which its key is new."""

    @abstractmethod
    def waiting(self) -> tuple[str, ...]:
        """Channels for which something is unsent."""

    @abstractmethod
    def due(self, channel: str, now: datetime) -> Queued | None:
        """The oldest unsent notification of a channel; None where there is none, or the channel has to wait."""

    @abstractmethod
    def trying(self, sequence: int) -> None:
        """Say that a notification is about to be sent; counted before, so that a crash in the middle is not
        forgotten."""

    @abstractmethod
    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        """Say that a notification has arrived, and what the channel calls the thing that shows it."""

    @abstractmethod
    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        """Try neither this one nor later ones of its channel before that moment."""

    @abstractmethod
    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        """Say that a notification is not tried again, and why; it stays to be looked at."""

    @abstractmethod
    def take_turn(self, channel: str, holder: str, until: datetime, now: datetime) -> bool:
        """Become the one who sends by a channel, until that moment; False while somebody else is."""

    @abstractmethod
    def end_turn(self, channel: str, holder: str) -> None:
        """Let others send; does nothing where somebody else has the turn."""

    @abstractmethod
    def untold(self, limit: int = 100) -> tuple[Untold, ...]:
        """What has not arrived, newest first."""

    @abstractmethod
    def forget(self, settled_before: datetime) -> int:
        """Let go of what arrived or was given up before that moment; returns how many went. Their keys are new again
        then."""
