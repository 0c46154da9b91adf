"""Which backups are kept: the newest of each of the last days, weeks and months that have one (grandfather, father,
son).

Days, weeks (ISO 8601) and months are those of UTC. Periods without a backup don't count, so a time without backups
makes no old one go. Whatever the numbers say, the newest backup stays and the newest one that a drill has verified
stays; while none is verified, nothing goes at all: any of them may be the only good one.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Retention:
    """How many backups are kept, by the newest of a period each."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 12


@dataclass(frozen=True)
class Held:
    """A backup that is there."""

    id: str
    taken_at: datetime
    is_verified: bool


def kept(held: Sequence[Held], retention: Retention) -> frozenset[str]:
    """The ids of those that stay; all others may go."""
    if not any(each.is_verified for each in held):
        return frozenset(each.id for each in held)
    newest_first = sorted(held, key=lambda each: (each.taken_at, each.id), reverse=True)
    staying = {newest_first[0].id, next(each.id for each in newest_first if each.is_verified)}
    for period, number in (
        (_day, retention.daily),
        (_week, retention.weekly),
        (_month, retention.monthly),
    ):
        staying |= _newest_of_each(newest_first, period, number)
    return frozenset(staying)


def _newest_of_each(newest_first: Sequence[Held], period: Callable[[datetime], Hashable], number: int) -> set[str]:
    found: dict[Hashable, str] = {}
    for each in newest_first:
        found.setdefault(period(each.taken_at.astimezone(UTC)), each.id)
    return set(list(found.values())[:number])


def _day(moment: datetime) -> Hashable:
    return moment.date()


def _week(moment: datetime) -> Hashable:
    return moment.isocalendar()[:2]


def _month(moment: datetime) -> Hashable:
    return moment.year, moment.month
