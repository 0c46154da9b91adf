"""How old advisories may be: those of long ago know nothing of what was found since.

Option of the stage: `maximum_age_days`, a whole number; each source of advisories has a default of its own. Data of the
future are refused too, because they would never grow old.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

_CLOCK_TOLERANCE = timedelta(days=1)
_DAYS = re.compile(r"[0-9]{1,6}")


def age_days(taken_at: datetime, now: datetime) -> float:
    """The age of data, in days."""
    return (now - taken_at) / timedelta(days=1)


def maximum_age_days(options: Mapping[str, str], shipped_days: float) -> float:
    """How old the data of a stage may be.

    Args:
        options: of the stage.
        shipped_days: what counts without it.

    Raises:
        ValueError: the option is no number of days.
    """
    text = options.get("maximum_age_days", f"{shipped_days:g}")
    if not _DAYS.fullmatch(text):
        raise ValueError(f"the stage's maximum_age_days is {text[:60]!r}, no number of days")
    return float(text)


def outdated(taken_at: datetime, now: datetime, maximum_days: float) -> str | None:
    """Why data of that date are of no use now, or None if they are."""
    date, days = f"{taken_at:%Y-%m-%d}", age_days(taken_at, now)
    if taken_at - now > _CLOCK_TOLERANCE:
        return f"the advisories are of {date}, which is yet to come: mend their date, or this clock"
    if days > maximum_days:
        return f"the advisories are of {date}, {days:.1f} days old; at most {maximum_days:g}"
    return None


def lenience_note(maximum_days: float, shipped_days: float) -> tuple[str, ...]:
    """A note where the declaration allows older data than is shipped."""
    if maximum_days <= shipped_days:
        return ()
    return (f"The declaration lets advisories grow {maximum_days:g} days old; {shipped_days:g} is shipped.",)
