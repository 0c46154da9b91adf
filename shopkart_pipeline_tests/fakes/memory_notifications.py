"""Notifications on their way, in memory, and a channel that does what a test says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.notifier import NotificationQueue, Notifier, Queued, Untold


@dataclass
class _Kept:
    channel: str
    notification: Notification
    put_at: datetime
    attempts: int = 0
    not_before: datetime | None = None
    settled_at: datetime | None = None
    reason: str = ""
    given_up: bool = False
    forgotten: bool = False


@dataclass
class MemoryNotificationQueue(NotificationQueue):
    """Notifications in the order in which they came."""

    kept: list[_Kept] = field(default_factory=list[_Kept])
    remote_ids: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    turns: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, tuple[str, datetime]])

    def told(self, channel: str | None = None) -> list[Notification]:
        """What was put, for a channel or for any, for tests to look at."""
        return [each.notification for each in self.kept if channel in (None, each.channel)]

    def put(self, notification: Notification, channels: Sequence[str], now: datetime) -> tuple[str, ...]:
        known = {(each.channel, each.notification.key) for each in self.kept if not each.forgotten}
        new = tuple(channel for channel in dict.fromkeys(channels) if (channel, notification.key) not in known)
        self.kept += [_Kept(channel, notification, now) for channel in new]
        return new

    def waiting(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.channel for each in self.kept if each.settled_at is None))

    def due(self, channel: str, now: datetime) -> Queued | None:
        for number, each in enumerate(self.kept):
            if each.channel == channel and each.settled_at is None:
                if each.not_before is not None and now < each.not_before:
                    return None
                remote_id = self.remote_ids.get((channel, each.notification.incident_id))
                return Queued(number, channel, each.notification, each.attempts, each.put_at, remote_id)
        return None

    def trying(self, sequence: int) -> None:
        self.kept[sequence].attempts += 1

    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        kept = self.kept[sequence]
        kept.settled_at, kept.reason = now, ""
        if remote_id:
            self.remote_ids[kept.channel, kept.notification.incident_id] = remote_id

    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        self.kept[sequence].not_before, self.kept[sequence].reason = until, reason

    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        kept = self.kept[sequence]
        kept.settled_at, kept.reason, kept.given_up = now, reason, True

    def take_turn(self, channel: str, holder: str, until: datetime, now: datetime) -> bool:
        taken = self.turns.get(channel)
        if taken is not None and taken[0] != holder and now < taken[1]:
            return False
        self.turns[channel] = (holder, until)
        return True

    def end_turn(self, channel: str, holder: str) -> None:
        if self.turns.get(channel, ("", None))[0] == holder:
            del self.turns[channel]

    def untold(self, limit: int = 100) -> tuple[Untold, ...]:
        found = [
            Untold(each.channel, each.notification, each.put_at, each.attempts, each.reason, each.given_up)
            for each in reversed(self.kept)
            if not each.forgotten and (each.settled_at is None or each.given_up)
        ]
        return tuple(found[:limit])

    def forget(self, settled_before: datetime) -> int:
        old = [
            each
            for each in self.kept
            if each.settled_at is not None and each.settled_at < settled_before and not each.forgotten
        ]
        for each in old:
            each.forgotten = True
        return len(old)


@dataclass
class ScriptedNotifier(Notifier):
    """Does what the test says, once, and otherwise accepts."""

    failures: list[Exception | Callable[[], None]] = field(default_factory=list[Exception | Callable[[], None]])
    got: list[tuple[Notification, str | None, bool]] = field(
        default_factory=list[tuple[Notification, str | None, bool]]
    )

    def send(self, notification: Notification, remote_id: str | None, *, maybe_sent: bool) -> str:
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            failure()
        self.got.append((notification, remote_id, maybe_sent))
        return remote_id or f"id-{len(self.got)}"
