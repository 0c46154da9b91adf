"""When a freeze is on, and for how long."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.freeze import FreezeWindow

BERLIN = ZoneInfo("Europe/Berlin")
SALE = FreezeWindow(
    "sale", "Europe/Berlin", datetime(2025, 11, 27, 18, tzinfo=BERLIN), datetime(2025, 12, 1, 8, tzinfo=BERLIN)
)
WEEKEND = FreezeWindow("weekend", "Europe/Berlin", weekdays=frozenset({5, 6}))


@pytest.mark.parametrize(
    ("now", "on"),
    [
        (datetime(2025, 11, 27, 16, 59, 59, tzinfo=UTC), False),
        (datetime(2025, 11, 27, 17, 0, tzinfo=UTC), True),
        (datetime(2025, 12, 1, 6, 59, 59, tzinfo=UTC), True),
        (datetime(2025, 12, 1, 7, 0, tzinfo=UTC), False),
    ],
)
def test_a_window_lies_between_two_moments_of_its_time_zone(now: datetime, on: bool) -> None:
    assert SALE.began_at(now) == (SALE.begins_at if on else None)


@pytest.mark.parametrize(
    ("now", "began", "ends"),
    [
        (datetime(2025, 3, 7, 22, 59, tzinfo=UTC), None, None),
        (datetime(2025, 3, 7, 23, 0, tzinfo=UTC), datetime(2025, 3, 8), datetime(2025, 3, 10)),
        (datetime(2025, 3, 9, 12, 0, tzinfo=UTC), datetime(2025, 3, 8), datetime(2025, 3, 10)),
        (datetime(2025, 3, 30, 21, 59, tzinfo=UTC), datetime(2025, 3, 29), datetime(2025, 3, 31)),
        (datetime(2025, 3, 30, 22, 0, tzinfo=UTC), None, None),
    ],
)
def test_days_last_from_midnight_to_midnight_also_where_a_clock_changes(
    now: datetime, began: datetime | None, ends: datetime | None
) -> None:
    found = WEEKEND.began_at(now)

    assert found == (began and began.replace(tzinfo=BERLIN))
    if found is not None:
        assert WEEKEND.ends_after(now) == (ends and ends.replace(tzinfo=BERLIN))


@given(
    now=st.datetimes(datetime(2025, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),
    days=st.frozensets(st.integers(0, 6)),
)
def test_whatever_is_on_began_before_and_ends_later(now: datetime, days: frozenset[int]) -> None:
    window = FreezeWindow("days", "America/New_York", weekdays=days)
    began = window.began_at(now)

    assert (began is not None) == (now.astimezone(ZoneInfo("America/New_York")).weekday() in days)
    if began is not None:
        assert began <= now < window.ends_after(now)
