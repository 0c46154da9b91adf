"""Pictures of metrics: real PNG, lines where something was measured, and nothing that a name could break."""

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.vitals import Vital, VitalSeries
from shopkart_pipeline.services.plot_vitals import as_markdown, plot

_BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
_LINE, _MARK = 4, 3
"""Numbers of colours in the palette."""


def _series(*values: float | None, version: str = "r1") -> VitalSeries:
    points = [(_BEGIN + timedelta(seconds=15 * index), value) for index, value in enumerate(values)]
    return VitalSeries(Vital.ERROR_RATIO, version, tuple((at, value) for at, value in points if value is not None))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place = 8
    while place < len(png):
        (length,) = struct.unpack_from("!I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack_from("!I", png, place + 8 + length) == (zlib.crc32(kind + data),)
        yield kind, data
        place += 12 + length


def _rows(png: bytes) -> list[bytes]:
    chunks = dict(_chunks(png))
    width, height, depth, colours, *rest = struct.unpack("!IIBBBBB", chunks[b"IHDR"])
    assert (depth, colours, rest) == (8, 3, [0, 0, 0])
    content = zlib.decompress(chunks[b"IDAT"])
    assert len(content) == height * (width + 1)
    rows = [content[at : at + width + 1] for at in range(0, len(content), width + 1)]
    assert {row[0] for row in rows} == {0}
    return [row[1:] for row in rows]


def _columns(png: bytes, colour: int) -> set[int]:
    """Where a colour is, above the names below the picture."""
    return {x for row in _rows(png)[:250] for x, each in enumerate(row) if each == colour}


def test_a_line_reaches_from_the_first_point_to_the_last() -> None:
    columns = _columns(plot([_series(0.1, 0.2, 0.15, 0.3)], "Errors"), _LINE)
    assert (min(columns), max(columns)) == (109, 865)
    assert columns == set(range(109, 866))


def test_a_time_in_which_nobody_measured_is_a_gap() -> None:
    whole = _columns(plot([_series(*[0.1] * 20)], "Errors"), _LINE)
    holed = _columns(plot([_series(*[0.1] * 7, *[None] * 6, *[0.1] * 7)], "Errors"), _LINE)
    assert len(holed) < 0.75 * len(whole)


def test_more_is_higher() -> None:
    rows = _rows(plot([_series(0.1, 0.4)], "Errors"))
    places = {x: y for y, row in enumerate(rows[:230]) for x, each in enumerate(row) if each == _LINE}
    assert places[865] < places[110]


def test_what_happened_is_marked_within_the_time_alone() -> None:
    series = [_series(0.1, 0.2, 0.15)]
    inside = plot(series, "Errors", [(_BEGIN + timedelta(seconds=15), "released")])
    outside = plot(series, "Errors", [(_BEGIN + timedelta(hours=1), "released")])
    assert 487 in _columns(inside, _MARK)
    assert not _columns(outside, _MARK)


@pytest.mark.parametrize("series", [[], [_series()]])
def test_without_a_point_the_picture_says_so(series: list[VitalSeries]) -> None:
    assert _columns(plot(series, "Errors"), _LINE) == set()
    assert any(1 in row for row in _rows(plot(series, ""))), "words in ink"


@settings(max_examples=20)
@given(st.text(max_size=80), st.text(max_size=40), st.lists(st.floats(0, 1e15), min_size=1, max_size=5))
def test_no_name_and_no_number_breaks_it(title: str, version: str, values: list[float]) -> None:
    png = plot([_series(*values, version=version)], title, [(_BEGIN, title)])
    assert len(_rows(png)) == 300


def test_a_picture_in_a_text_is_small() -> None:
    text = as_markdown(plot([_series(*[index % 7 for index in range(240)])], "Errors"), "Errors]\n(x")
    assert text.startswith("![Errors] (x](data:image/png;base64,iVBORw0KGgo")
    assert len(text) < 12_000


def test_marks_that_lie_together_are_read_below_one_another() -> None:
    marked = [(_BEGIN + timedelta(seconds=number), "a release of many letters") for number in (10, 11)]

    together, one = plot([_series(*[0.1] * 9)], "CPU", marked), plot([_series(*[0.1] * 9)], "CPU", marked[:1])

    assert _height(together, _MARK) > 1.8 * _height(one, _MARK) > 10


def _height(png: bytes, colour: int) -> int:
    """How many rows hold letters in a colour: more of its dots than the lines of two marks."""
    return sum(row.count(colour) > 2 for row in _rows(png))
