"""An outbox in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shopkart_pipeline.domain.notice import Notice
from shopkart_pipeline.ports.outbox import Outbox, Outgoing


@dataclass
class _Kept:
    notice: Notice
    attempts: int = 0
    not_before: datetime | None = None
    settled_at: datetime | None = None
    forgotten: bool = False
    given_up: str | None = None


@dataclass
class MemoryOutbox(Outbox):
    """Notices in the order in which they came."""

    kept: list[_Kept] = field(default_factory=list[_Kept])
    remote_ids: dict[str, str] = field(default_factory=dict[str, str])
    paused_until: datetime | None = None
    turn: tuple[str, datetime] | None = None

    def put(self, notices: Sequence[Notice], now: datetime) -> None:
        for notice in notices:
            newest = [each.notice for each in self.kept if each.notice.about == notice.about and not each.forgotten][
                -1:
            ]
            if newest != [notice]:
                self.kept.append(_Kept(notice))

    def pending(self, now: datetime, limit: int = 50) -> tuple[Outgoing, ...]:
        if self.paused_until is not None and now < self.paused_until:
            return ()
        newest = {each.notice.about: number for number, each in enumerate(self.kept) if not each.forgotten}
        due = [
            Outgoing(number, each.notice, self._tries(each.notice), self.remote_ids.get(each.notice.about))
            for number, each in enumerate(self.kept)
            if newest.get(each.notice.about) == number
            and each.settled_at is None
            and (each.not_before is None or each.not_before <= now)
        ]
        return tuple(due[:limit])

    def _tries(self, notice: Notice) -> int:
        same = [each for each in self.kept if each.notice.about == notice.about and not each.forgotten]
        return sum(each.attempts for each in same if each.settled_at is None or each.given_up is not None)

    def waiting(self) -> int:
        return sum(not each.forgotten and each.settled_at is None for each in self.kept)

    def trying(self, sequence: int) -> None:
        self.kept[sequence].attempts += 1

    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        about = self.kept[sequence].notice.about
        for each in self.kept[: sequence + 1]:
            if each.notice.about == about and each.settled_at is None:
                each.settled_at = now
        self.remote_ids[about] = remote_id

    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        self.kept[sequence].not_before = until

    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        self.kept[sequence].settled_at, self.kept[sequence].given_up = now, reason

    def pause(self, until: datetime, reason: str) -> None:
        self.paused_until = until

    def take_turn(self, holder: str, until: datetime, now: datetime) -> bool:
        if self.turn is not None and self.turn[0] != holder and now < self.turn[1]:
            return False
        self.turn = holder, until
        return True

    def end_turn(self, holder: str) -> None:
        if self.turn is not None and self.turn[0] == holder:
            self.turn = None

    def forget(self, settled_before: datetime) -> int:
        gone = [
            each
            for each in self.kept
            if each.settled_at is not None and each.settled_at < settled_before and not each.forgotten
        ]
        for each in gone:
            each.forgotten = True
        left = {each.notice.about for each in self.kept if not each.forgotten}
        self.remote_ids = {about: name for about, name in self.remote_ids.items() if about in left}
        return len(gone)

    def abandoned(self, limit: int = 100) -> tuple[tuple[Notice, str], ...]:
        found = [(each.notice, each.given_up) for each in reversed(self.kept) if each.given_up and not each.forgotten]
        return tuple(found[:limit])
