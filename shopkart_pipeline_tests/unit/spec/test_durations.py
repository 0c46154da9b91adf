"""Durations and cron expressions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from shopkart_pipeline.spec.cron import check_cron
from shopkart_pipeline.spec.durations import parse_duration
from shopkart_pipeline.spec.words import seconds_in_words


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90),
        (0.5, 0.5),
        ("90", 90),
        ("90s", 90),
        ("1.5s", 1.5),
        ("5m", 300),
        ("2h", 7200),
        ("30d", 2_592_000),
        (0, 0),
    ],
)
def test_durations_are_seconds_or_have_a_unit(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "5", "m5", "5 m", "5M", "1h30m", "five", "1e9", "\u0665m", None, True, [], {}, -1, "-1s", "400d"]
)
def test_everything_else_is_no_duration(written: object) -> None:
    if written == "5":
        assert parse_duration(written) == 5
        return
    with pytest.raises(PydanticCustomError):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=366 * 86400))
def test_a_duration_in_words_reads_as_the_same_duration(seconds: int) -> None:
    assert parse_duration(seconds_in_words(seconds)) == seconds


@pytest.mark.parametrize(
    "expression", ["*/5 * * * *", "0 3 * * 1-5", "15,45 8-18/2 1 jan,jul MON", "0 0 * * 7", "5/10 * * * *"]
)
def test_cron_expressions_of_five_fields_pass(expression: str) -> None:
    assert check_cron(expression) == expression


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "0 fields instead of five"),
        ("* * * *", "4 fields instead of five"),
        ("60 * * * *", "is not a minute"),
        ("* 24 * * *", "is not a hour"),
        ("* * 0 * *", "is not a day of the month"),
        ("* * * 13 *", "is not a month"),
        ("* * * * mo", "is not a day of the week"),
        ("*/0 * * * *", "is not a minute"),
        ("5-1 * * * *", "is not a minute"),
        ("*-5 * * * *", "is not a minute"),
        ("1, * * * *", "is not a minute"),
    ],
)
def test_a_wrong_field_of_a_cron_expression_is_named(expression: str, words: str) -> None:
    with pytest.raises(PydanticCustomError, match=words):
        check_cron(expression)
