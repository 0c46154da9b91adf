"""What holds at which moment: windows, their lead times, clocks that are set, and cron's days."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.scale_ahead import Scale, ahead_at, next_span, scaled_ahead
from shopkart_pipeline.domain.scale_window import ScaleWindow
from shopkart_pipeline.spec.cron import recurrence

BERLIN = ZoneInfo("Europe/Berlin")
BEGINS = datetime(2026, 11, 27, 0, 0, tzinfo=BERLIN)
SALE = ScaleWindow(
    "Black Friday", minimum=20, lead_seconds=1800, begins_at=BEGINS, ends_at=BEGINS + timedelta(hours=26)
)
BOUNDS = Autoscale(4, 40, 70)


def _deployment(*windows: ScaleWindow, autoscale: Autoscale | None = BOUNDS) -> Deployment:
    return Deployment(
        "production", 4, (), 60.0, Analysis(), (), approvals=None, autoscale=autoscale, scale_ahead=windows
    )


@pytest.mark.parametrize(
    ("minutes", "fewest"), [(-31, 4), (-30, 20), (0, 20), (26 * 60 - 1, 20), (26 * 60, 4), (60 * 24 * 30, 4)]
)
def test_the_fewest_replicas_are_raised_from_the_lead_time_to_the_end(minutes: int, fewest: int) -> None:
    found = ahead_at(_deployment(SALE), (BEGINS + timedelta(minutes=minutes)).astimezone(UTC))
    assert found.scale == Scale(max(fewest, 4), replace(BOUNDS, minimum=fewest))


def test_a_fixed_number_is_raised_itself() -> None:
    assert ahead_at(_deployment(SALE, autoscale=None), BEGINS).scale == Scale(20)


def test_a_factor_is_of_every_days_fewest_and_never_goes_beyond_the_most() -> None:
    window = replace(SALE, minimum=None, factor=2.1)
    assert ahead_at(_deployment(window), BEGINS).scale.fewest == 9
    assert ahead_at(_deployment(replace(window, factor=90.0)), BEGINS).scale.autoscale == replace(BOUNDS, minimum=40)


def test_where_several_are_on_the_one_with_the_most_replicas_holds() -> None:
    evening = ScaleWindow(
        "evening", minimum=8, recurrence=recurrence("0 18 * * *", "Europe/Berlin"), lasts_seconds=7200
    )
    at = BEGINS.replace(hour=18, minute=30)
    found = ahead_at(_deployment(evening, SALE), at)
    assert (found.scale.fewest, found.key) == (20, "Black Friday of 2026-11-27T00:00+01:00")
    assert ahead_at(_deployment(evening, SALE), at + timedelta(days=3)).key == "evening of 2026-11-30T18:00+01:00"


def test_what_was_scaled_ahead_is_not_scaled_a_second_time() -> None:
    window = replace(SALE, minimum=None, factor=3.0)
    once = scaled_ahead(_deployment(window), BEGINS)
    assert scaled_ahead(once, BEGINS) == once


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("0 19 * * fri", "2026-11-27T20:00", "2026-12-04T19:00+01:00"),
        ("*/20 6-7 * * 1-5", "2026-11-27T07:41", "2026-11-30T06:00+01:00"),
        ("0 0 29 2 *", "2026-03-01T00:00", "2028-02-29T00:00+01:00"),
        ("0 12 13 * fri", "2026-11-10T00:00", "2026-11-13T12:00+01:00"),
        ("0 12 14 * fri", "2026-11-10T00:00", "2026-11-13T12:00+01:00"),
        ("0 0 * * 7", "2026-11-27T00:00", "2026-11-29T00:00+01:00"),
        ("30 2 * * *", "2026-03-29T00:00", "2026-03-29T03:30+02:00"),
        ("30 2 * * *", "2026-10-25T00:00", "2026-10-25T02:30+02:00"),
    ],
)
def test_a_window_comes_again_as_cron_says_on_the_clock_of_its_zone(cron: str, after: str, expected: str) -> None:
    window = ScaleWindow("w", minimum=9, recurrence=recurrence(cron, "Europe/Berlin"), lasts_seconds=60)
    found = window.next_after(datetime.fromisoformat(after).replace(tzinfo=BERLIN).astimezone(UTC))
    assert found is not None
    assert found.begins_at.isoformat(timespec="minutes") == expected


def test_a_window_over_the_night_in_which_the_clock_is_set_lasts_as_long_as_it_says() -> None:
    window = ScaleWindow("night", minimum=9, recurrence=recurrence("0 1 25 10 *", "Europe/Berlin"), lasts_seconds=7200)
    begins = datetime(2026, 10, 25, 1, 0, tzinfo=BERLIN).astimezone(UTC)
    on = [window.on_at(begins + timedelta(minutes=each)) is not None for each in (-1, 0, 119, 120)]
    assert on == [False, True, True, False]


def test_the_next_window_is_the_one_that_is_prepared_first() -> None:
    evening = ScaleWindow("evening", minimum=8, recurrence=recurrence("0 18 * * *", "UTC"), lasts_seconds=7200)
    found = next_span(_deployment(SALE, evening), datetime(2026, 11, 26, 19, 0, tzinfo=UTC))
    assert found is not None
    assert found.name == "Black Friday"
    assert next_span(_deployment(SALE), BEGINS) is None
