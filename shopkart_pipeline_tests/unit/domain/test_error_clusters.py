"""Which errors are of one kind, and which kinds are new or have grown."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.error_clusters import ErrorEvent, Trend, compare, kind_of, masked

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


def _events(kind: str, count: int, release: str = "old", *, after: int = 0) -> list[ErrorEvent]:
    return [
        ErrorEvent(NOON + timedelta(seconds=after + number), kind, f"{kind} {number}", release)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("cart 17 is gone", "cart 4711 is gone", "cart <number> is gone"),
        ("took 1.5 s", "took 20 s", "took <number> s"),
        ("order 8f14e45f-ceea-467f-8a1b-0123456789ab", "order 00000000-ceea-467f-8a1b-0123456789ab", "order <id>"),
        ("at 0x7f3a in digest 9f86d081884c7d65", "at 0xFF in digest 1f86d081884c7d66", "at <id> in digest <id>"),
        ("KeyError: 'shoes'", "KeyError: 'a b c'", "KeyError: <value>"),
        ('field "name": 3', 'field "": 12', "field <value>: <number>"),
        ("from 10.0.0.7:5432", "from 10.1.2.30:80", "from <number>"),
        ("mail to a.b@shop.example", "mail to maya@x.example", "mail to <address>"),
        ("at 2025-03-04T12:00:00Z", "at 2026-11-27 22:43:10.123+01:00", "at <time>"),
        ("token eyJhbGciOiJIUzI1NiIsInR5c", "token abcdefghijklmnopqrs7", "token <id>"),
    ],
)
def test_what_differs_each_time_makes_no_other_kind(first: str, second: str, kind: str) -> None:
    assert masked(first) == masked(second) == kind


@pytest.mark.parametrize("word", ["utf8", "don't", "s3 bucket", "can't read the customer's cart", "deadbeef is a word"])
def test_words_stay_words(word: str) -> None:
    assert masked(word) == word


@given(st.text())
def test_masking_again_changes_nothing(text: str) -> None:
    assert masked(masked(text)) == masked(text)


def test_a_long_line_is_masked_in_no_time() -> None:
    began = time.process_time()
    for hostile in ("a" * 10**6, "'" * 10**6, "1." * 10**6, "a@" * 10**6, "0" * 10**6, "a1" * 10**6, "a." * 10**6):
        for _ in range(10):
            masked(hostile)
    assert time.process_time() - began < 2.0


def test_what_a_service_calls_its_error_is_the_kind() -> None:
    assert kind_of("CartFormatError@cart.read", "cart 17") == "CartFormatError@cart.read"
    assert kind_of(None, "cart 17") == "cart <number>"


def test_a_kind_that_was_never_there_is_new_and_of_the_release_that_wrote_it_first() -> None:
    before = _events("timeout", 5)
    during = [
        *_events("timeout", 5, after=3600),
        *_events("format", 3, "new", after=3601),
        *_events("format", 1, after=3700),
    ]

    first, second = compare(during, before, 600.0, 600.0)

    assert (first.kind, first.trend, first.count, first.expected) == ("format", Trend.NEW, 4, 0.0)
    assert (first.first_release_key, dict(first.by_release)) == ("new", {"new": 3, "old": 1})
    assert first.example == "format 0"
    assert (second.kind, second.trend, second.expected) == ("timeout", Trend.AS_BEFORE, 5.0)
    assert second.first_at == NOON


def test_counts_are_compared_over_times_of_equal_length() -> None:
    [cluster] = compare(_events("timeout", 10, after=3600), _events("timeout", 60), 600.0, 3600.0)

    assert (cluster.expected, cluster.trend) == (10.0, Trend.AS_BEFORE)


@pytest.mark.parametrize(
    ("before", "during", "trend"),
    [
        (1, 2, Trend.AS_BEFORE),
        (1, 4, Trend.AS_BEFORE),
        (1, 20, Trend.GROWN),
        (100, 150, Trend.AS_BEFORE),
        (100, 199, Trend.AS_BEFORE),
        (100, 300, Trend.GROWN),
    ],
)
def test_growth_is_more_than_chance(before: int, during: int, trend: Trend) -> None:
    [cluster] = compare(_events("timeout", during, after=3600), _events("timeout", before), 600.0, 600.0)

    assert cluster.trend is trend


def test_where_nobody_could_count_the_time_before_nothing_is_new() -> None:
    for before, seconds in ((None, 600.0), (list[ErrorEvent](), 0.0)):
        [cluster] = compare(_events("timeout", 3), before, 600.0, seconds)
        assert (cluster.trend, cluster.expected) == (Trend.UNKNOWN, None)


def test_new_kinds_come_first_and_then_those_that_grew() -> None:
    before = [*_events("steady", 50), *_events("growing", 5)]
    during = [*_events("steady", 50), *_events("growing", 60), *_events("new", 1), *_events("newer", 2)]

    assert [each.kind for each in compare(during, before, 600.0, 600.0)] == ["newer", "new", "growing", "steady"]


def test_without_errors_there_are_no_kinds() -> None:
    assert compare([], _events("timeout", 3), 600.0, 600.0) == ()
