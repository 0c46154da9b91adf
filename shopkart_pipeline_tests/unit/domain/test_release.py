"""A release key is derived from the commit alone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.release import Commit, Person, release_key

_SHAS = st.text("0123456789abcdef", min_size=40, max_size=40)
_TIMES = st.datetimes(datetime(2005, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def test_a_key_tells_when_and_which_commit() -> None:
    assert release_key("0123456789abcdef" * 2 + "01234567", datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)) == (
        "20250304-050607-0123456789ab"
    )


@given(_SHAS, _TIMES, st.integers(-14 * 60, 14 * 60))
def test_the_committers_zone_makes_no_difference(sha: str, committed_at: datetime, offset_minutes: int) -> None:
    elsewhere = committed_at.astimezone(timezone(timedelta(minutes=offset_minutes)))

    assert release_key(sha, elsewhere) == release_key(sha, committed_at)


@given(_SHAS, _SHAS, _TIMES, st.timedeltas(timedelta(seconds=1), timedelta(days=4000)))
def test_keys_sort_by_commit_time(sha: str, later_sha: str, committed_at: datetime, after: timedelta) -> None:
    assert release_key(sha, committed_at) < release_key(later_sha, committed_at + after)


def test_a_time_without_zone_makes_no_key() -> None:
    with pytest.raises(ValueError, match="zone"):
        release_key("0" * 40, datetime(2025, 3, 4))


def test_the_title_of_a_commit_is_its_first_line() -> None:
    ana = Person("Ana", "ana@shopkart.example")
    now = datetime(2025, 3, 4, tzinfo=UTC)

    assert Commit("0" * 40, now, ana, ana, "Fix carts\n\nLong story.").title == "Fix carts"
    assert Commit("0" * 40, now, ana, ana, "").title == ""
