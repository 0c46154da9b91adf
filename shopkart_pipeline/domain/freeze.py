"""Freeze windows: days and hours in which nothing new goes to production.

A window lies between two moments, or on days of the week; both are of a declared time zone, so the hour that a clock
leaves out or has twice is that zone's. A rollback is never frozen. What has to go in all the same needs two people who
agree while the window is on: an approval from before it does not count, for nobody knew how the day would go.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

OVERRIDING_APPROVERS = 2
_DAYS_OF_A_WEEK = 7


@dataclass(frozen=True)
class FreezeWindow:
    """When an environment is frozen, and what for."""

    name: str
    time_zone: str
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    """Excluded; both are set, or `weekdays` are."""
    weekdays: frozenset[int] = frozenset()
    """Monday is 0; from midnight to midnight."""

    def began_at(self, now: datetime) -> datetime | None:
        """Since when the window has been on; None while it is not."""
        if self.begins_at is not None and self.ends_at is not None:
            return self.begins_at if self.begins_at <= now < self.ends_at else None
        day = now.astimezone(ZoneInfo(self.time_zone)).date()
        if day.weekday() not in self.weekdays:
            return None
        for _ in range(_DAYS_OF_A_WEEK):
            if (day - timedelta(days=1)).weekday() not in self.weekdays:
                break
            day -= timedelta(days=1)
        return self._midnight(day.toordinal())

    def ends_after(self, now: datetime) -> datetime:
        """When the window that is on will be over."""
        if self.ends_at is not None:
            return self.ends_at
        day = now.astimezone(ZoneInfo(self.time_zone)).date() + timedelta(days=1)
        for _ in range(_DAYS_OF_A_WEEK):
            if day.weekday() not in self.weekdays:
                break
            day += timedelta(days=1)
        return self._midnight(day.toordinal())

    def _midnight(self, ordinal: int) -> datetime:
        day = datetime.fromordinal(ordinal).date()
        return datetime.combine(day, time(), ZoneInfo(self.time_zone))
