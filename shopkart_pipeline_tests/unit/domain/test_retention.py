"""Which backups stay."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.retention import Held, Retention, kept

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
DEFAULT = Retention()


def nightly(days: int, *, verified: int | None = 0) -> list[Held]:
    """One backup a night, the newest first; the one of `verified` nights ago is verified."""
    return [Held(f"b{age:04}", NOON - timedelta(days=age), age == verified) for age in range(days)]


def ages(ids: frozenset[str]) -> list[int]:
    return sorted(int(name[1:]) for name in ids)


@st.composite
def held(draw: st.DrawFn) -> list[Held]:
    hours = draw(st.lists(st.integers(0, 24 * 500), max_size=60, unique=True))
    return [Held(f"b{hour:06}", NOON - timedelta(hours=hour), draw(st.booleans())) for hour in hours]


retentions = st.builds(Retention, st.integers(1, 9), st.integers(0, 6), st.integers(0, 14))


def test_seven_days_four_weeks_and_twelve_months_stay_of_nightly_backups() -> None:
    assert ages(kept(nightly(400), DEFAULT)) == [
        *range(7),  # 27 to 21 November; Sunday the 22nd stands for its week too
        12,  # Sunday, 15 November
        19,  # Sunday, 8 November
        *(27, 58, 88, 119, 150, 180, 211, 241, 272, 300, 331),  # the last day of each month before
    ]


def test_a_time_without_backups_makes_no_old_one_go() -> None:
    old = [Held("old", NOON - timedelta(days=900), True)]

    assert kept([*old, Held("new", NOON, False)], DEFAULT) == {"old", "new"}


def test_the_newest_verified_one_stays_however_old_it_is() -> None:
    assert 390 in ages(kept(nightly(400, verified=390), DEFAULT))


def test_while_none_is_verified_nothing_goes() -> None:
    assert len(kept(nightly(400, verified=None), DEFAULT)) == 400


def test_where_there_is_nothing_nothing_is_kept() -> None:
    assert kept([], DEFAULT) == frozenset()


@given(held(), retentions)
def test_the_newest_and_the_newest_verified_always_stay(backups: list[Held], retention: Retention) -> None:
    staying = kept(backups, retention)

    if backups:
        assert max(backups, key=lambda each: each.taken_at).id in staying
    if verified := [each for each in backups if each.is_verified]:
        assert max(verified, key=lambda each: each.taken_at).id in staying


@given(held(), retentions)
def test_what_stays_stays_when_it_is_asked_again(backups: list[Held], retention: Retention) -> None:
    staying = kept(backups, retention)

    assert kept([each for each in backups if each.id in staying], retention) == staying


@given(held(), retentions)
def test_no_more_stay_than_are_declared(backups: list[Held], retention: Retention) -> None:
    most = retention.daily + retention.weekly + retention.monthly + 2

    if any(each.is_verified for each in backups):
        assert len(kept(backups, retention)) <= most


@given(held(), retentions)
def test_the_newest_of_every_one_of_the_last_days_stays(backups: list[Held], retention: Retention) -> None:
    staying = kept(backups, retention)
    days = sorted({each.taken_at.date() for each in backups}, reverse=True)[: retention.daily]

    for day in days:
        assert max((each for each in backups if each.taken_at.date() == day), key=lambda e: e.taken_at).id in staying


@given(held(), retentions)
def test_the_order_in_which_they_are_told_does_not_matter(backups: list[Held], retention: Retention) -> None:
    assert kept(backups, retention) == kept(backups[::-1], retention)
