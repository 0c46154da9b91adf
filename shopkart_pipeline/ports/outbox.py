"""Notices on their way out. A notice is kept when this returns; it is sent later, in order, until it has arrived."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.notice import Notice


@dataclass(frozen=True)
class Outgoing:
    """A notice that has to be sent."""

    sequence: int
    notice: Notice
    attempts: int
    """How often it, and older ones about the thing that never were known to arrive, were tried before: each of them may
    have arrived without our knowing."""
    remote_id: str | None
    """What the code host calls the thing that the notice is about; None where that is not known."""


class Outbox(ABC):
    """Durable and ordered: of one thing the newest notice counts, and what is older is not sent after it."""

    @abstractmethod
    def put(self, notices: Sequence[Notice], now: datetime) -> None:
        """Keep notices, all of them or none; durable when this returns. What is the same as the newest one about its
        thing is not kept again."""

    @abstractmethod
    def pending(self, now: datetime, limit: int = 50) -> tuple[Outgoing, ...]:
        """The newest notice about each thing that has something unsent and may be tried now, oldest first."""

    @abstractmethod
    def waiting(self) -> int:
        """How many notices have neither arrived nor been given up."""

    @abstractmethod
    def trying(self, sequence: int) -> None:
        """Say that a notice is about to be sent; counted before, so that a crash in the middle is not forgotten."""

    @abstractmethod
    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        """Say that a notice has arrived, and what the code host calls its thing; older notices about it are settled."""

    @abstractmethod
    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        """Don't try a notice before that moment."""

    @abstractmethod
    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        """Say that a notice can never arrive, and why; it stays to be looked at."""

    @abstractmethod
    def pause(self, until: datetime, reason: str) -> None:
        """Hand out nothing before that moment: the code host asked for a rest."""

    @abstractmethod
    def take_turn(self, holder: str, until: datetime, now: datetime) -> bool:
        """Become the one who sends, until that moment; False while somebody else is. Two senders could make one thing
        twice at the code host."""

    @abstractmethod
    def end_turn(self, holder: str) -> None:
        """Let others send; does nothing where somebody else has the turn."""

    @abstractmethod
    def forget(self, settled_before: datetime) -> int:
        """Let go of what was settled before that moment and of the names of things that nothing is left about; returns
        how many notices went."""

    @abstractmethod
    def abandoned(self, limit: int = 100) -> tuple[tuple[Notice, str], ...]:
        """Notices that were given up, with the reasons, newest first."""
