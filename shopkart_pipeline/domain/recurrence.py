"""Moments that come again and again: a cron expression on the clock of a time zone.

A moment that the clock leaves out in spring is the one an hour later, and one that it has twice in autumn counts the
first time. Where both days of the month and days of the week are restricted, either is enough, as cron has always done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FURTHEST_DAYS = 8 * 366
"""Between two leap days there are eight years around a century."""


@dataclass(frozen=True)
class Recurrence:
    """When it begins; what each field of the expression allows."""

    time_zone: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """Monday is 0."""
    either_day: bool
    """Whether days of the month and of the week are both restricted."""

    def since(self, moment: datetime) -> Iterator[datetime]:
        """The moments from one on, in order; ends where none comes within eight years."""
        zone, moment = ZoneInfo(self.time_zone), moment.astimezone(UTC)
        first = moment.astimezone(zone).date() - timedelta(days=1)
        for number in range(_FURTHEST_DAYS):
            day = first + timedelta(days=number)
            if not self._is_on(day):
                continue
            times = (time(hour, minute) for hour in self.hours for minute in self.minutes)
            for found in sorted({_moment(day, each, zone) for each in times}):
                if found >= moment:
                    yield found

    def _is_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.weekday() in self.weekdays
        return (of_month or of_week) if self.either_day else (of_month and of_week)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """On that clock; by way of UTC, so that a moment which the clock leaves out becomes one that there is."""
    return datetime.combine(day, at, zone).astimezone(UTC).astimezone(zone)
