"""Metrics over time as a picture: a line for each series, marks for what happened, PNG for wherever it is shown.

The vertical scale begins at zero and ends at the largest value. A gap in which nobody measured is a gap in the line:
points further apart than three times the usual distance are not joined.
"""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.vitals import Vital, VitalSeries
from shopkart_pipeline.services.plot_canvas import ADVANCE, LINE_HEIGHT, Canvas

Mark = tuple[datetime, str]
"""Something that happened, in a word or two."""
_WIDTH, _HEIGHT = 880, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 16, 40, 2 * LINE_HEIGHT + 16
_GROUND, _INK, _FAINT, _MARK, _FIRST_LINE = 0, 1, 2, 3, 4
_PALETTE = (
    (255, 255, 255),
    (34, 34, 34),
    (221, 221, 221),
    (198, 40, 40),
    (26, 95, 180),
    (224, 122, 0),
    (47, 143, 91),
    (138, 90, 181),
    (0, 131, 143),
    (121, 85, 72),
)
_LINES = len(_PALETTE) - _FIRST_LINE
_MOST_LETTERS = 24
_MARK_ROWS = 4
_RELEASE_KEY = re.compile(r"\d{4}(\d{4}-\d{4})\d{2}-([0-9a-f]{7})[0-9a-f]*")
"""Day, time and commit of a release: enough of them to know it by."""
_SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def plot(series: Sequence[VitalSeries], title: str, marks: Sequence[Mark] = ()) -> bytes:
    """A PNG.

    Args:
        series: what is drawn; without a point it says so.
        title: stands above it.
        marks: moments that are drawn where they lie within the time of the series.
    """
    canvas = Canvas(_WIDTH, _HEIGHT, _PALETTE)
    canvas.text(16, 12, _short(title, (_WIDTH - 32) // ADVANCE), _INK)
    points = [point for each in series for point in each.points]
    if not points:
        canvas.text(_LEFT, _HEIGHT // 2, "nobody measured anything", _INK)
        return canvas.png()
    frame = _Frame(points)
    frame.draw(canvas)
    for at, words in sorted(marks):
        frame.mark(canvas, at, words)
    x, several = _LEFT, len({each.vital for each in series}) > 1
    for index, each in enumerate(series):
        colour = _FIRST_LINE + index % _LINES
        frame.draw_series(canvas, each, colour)
        version = _RELEASE_KEY.sub(r"\1 \2", each.version)
        name = _short(f"{_short_name(each.vital)} {version}" if several else version or "all", _MOST_LETTERS)
        canvas.rectangle(x, _HEIGHT - LINE_HEIGHT, 12, 12, colour)
        canvas.text(x + 18, _HEIGHT - LINE_HEIGHT, name, _INK)
        x += 36 + len(name) * ADVANCE
    return canvas.png()


def as_markdown(picture: bytes, title: str) -> str:
    """The picture inside of a text."""
    return f"![{plain(title)}](data:image/png;base64,{base64.b64encode(picture).decode()})"


class _Frame:
    """Which dot a point is."""

    def __init__(self, points: Sequence[tuple[datetime, float]]) -> None:
        times = [at.timestamp() for at, _ in points]
        self._begin, self._end = min(times), max(max(times), min(times) + 1.0)
        self._top = max(value for _, value in points) * 1.05 or 1.0
        self._width, self._height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        distances = [after - before for before, after in pairwise(sorted(set(times)))]
        self._gap_seconds = 3 * median(distances) if distances else 0.0
        self._row_ends = [0] * _MARK_ROWS

    def place(self, at: datetime, value: float) -> tuple[int, int]:
        x = _LEFT + (at.timestamp() - self._begin) / (self._end - self._begin) * self._width
        return round(x), round(_HEIGHT - _BOTTOM - value / self._top * self._height)

    def draw(self, canvas: Canvas) -> None:
        for part in (0.0, 0.5, 1.0):
            y = round(_HEIGHT - _BOTTOM - part * self._height)
            canvas.line((_LEFT, y), (_WIDTH - _RIGHT, y), _FAINT)
            words = _number(part * self._top)
            canvas.text(_LEFT - 8 - len(words) * ADVANCE, y - 8, words, _INK)
        for part in (0.0, 0.5, 1.0):
            seconds = self._begin + part * (self._end - self._begin)
            words = f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"
            x = min(round(_LEFT + part * self._width), _WIDTH - _RIGHT - len(words) * ADVANCE)
            canvas.text(x, _HEIGHT - _BOTTOM + 8, words, _INK)

    def mark(self, canvas: Canvas, at: datetime, words: str) -> None:
        if self._begin <= at.timestamp() <= self._end:
            x, _ = self.place(at, 0.0)
            canvas.line((x, _TOP), (x, _HEIGHT - _BOTTOM), _MARK)
            name = _short(_RELEASE_KEY.sub(r"\2", words), _MOST_LETTERS)
            left = min(x + 4, _WIDTH - _RIGHT - len(name) * ADVANCE)
            row = next((row for row, end in enumerate(self._row_ends) if end < left), None)
            if row is not None:  # Where there is no place left a line without a word tells that something was there.
                self._row_ends[row] = left + len(name) * ADVANCE
                canvas.text(left, _TOP + row * LINE_HEIGHT, name, _MARK)

    def draw_series(self, canvas: Canvas, series: VitalSeries, colour: int) -> None:
        for at, value in series.points:
            x, y = self.place(at, value)
            canvas.rectangle(x - 1, y - 1, 3, 3, colour)
        for before, after in pairwise(series.points):
            if (after[0] - before[0]).total_seconds() <= self._gap_seconds:
                canvas.line(self.place(*before), self.place(*after), colour, thickness=2)


def _short_name(vital: Vital) -> str:
    return vital.words.rpartition(" ")[2]


def _short(words: str, most: int) -> str:
    words = plain(words)
    return words if len(words) <= most else f"{words[: most - 2]}.."


def _number(value: float) -> str:
    """In a few letters: `48M`, `0.25`, `3.2e-05`."""
    for size, letter in _SIZES:
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
