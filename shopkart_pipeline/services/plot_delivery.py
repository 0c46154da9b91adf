"""Deployments by week as a picture: a bar for each, with the part that failed at its foot."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shopkart_pipeline.domain.delivery import Change
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.services.plot_canvas import ADVANCE, LINE_HEIGHT, Canvas

WEEKS = 12
WEEK = timedelta(days=7)
_WIDTH, _HEIGHT = 880, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 16, 40, 2 * LINE_HEIGHT + 16
_INK, _FAINT, _FAILED, _WELL = 1, 2, 3, 4
_PALETTE = ((255, 255, 255), (34, 34, 34), (221, 221, 221), (198, 40, 40), (26, 95, 180))
_MOST_LETTERS = (_WIDTH - 32) // ADVANCE


def plot_delivery(changes: Sequence[Change], until: datetime, title: str) -> bytes:
    """A PNG of the `WEEKS` weeks before `until`; where nothing was deployed it says so."""
    canvas = Canvas(_WIDTH, _HEIGHT, _PALETTE)
    canvas.text(16, 12, plain(title)[:_MOST_LETTERS], _INK)
    begin = until - WEEKS * WEEK
    weeks = [[change for change in changes if _week(change, begin) == number] for number in range(WEEKS)]
    most = max(len(week) for week in weeks)
    if not most:
        canvas.text(_LEFT, _HEIGHT // 2, "nothing was deployed in that time", _INK)
        return canvas.png()
    _scale(canvas, most)
    for number, week in enumerate(weeks):
        _bar(canvas, number, begin + number * WEEK, week, most)
    canvas.rectangle(_LEFT, _HEIGHT - LINE_HEIGHT, 12, 12, _WELL)
    canvas.text(_LEFT + 18, _HEIGHT - LINE_HEIGHT, "deployments a week", _INK)
    canvas.rectangle(_LEFT + 260, _HEIGHT - LINE_HEIGHT, 12, 12, _FAILED)
    canvas.text(_LEFT + 278, _HEIGHT - LINE_HEIGHT, "of them failed", _INK)
    return canvas.png()


def _week(change: Change, begin: datetime) -> int:
    return (change.at - begin) // WEEK


def _scale(canvas: Canvas, most: int) -> None:
    for value in sorted({0, most // 2, most}):
        y = _HEIGHT - _BOTTOM - _height(value, most)
        canvas.line((_LEFT, y), (_WIDTH - _RIGHT, y), _FAINT)
        words = str(value)
        canvas.text(_LEFT - 8 - len(words) * ADVANCE, y - 8, words, _INK)


def _bar(canvas: Canvas, number: int, begin: datetime, week: Sequence[Change], most: int) -> None:
    width = (_WIDTH - _LEFT - _RIGHT) // WEEKS
    left, foot = _LEFT + number * width, _HEIGHT - _BOTTOM
    whole = _height(len(week), most)
    failed = _height(sum(change.failed for change in week), most)
    canvas.rectangle(left + 4, foot - whole, width - 8, whole, _WELL)
    canvas.rectangle(left + 4, foot - failed, width - 8, failed, _FAILED)
    canvas.text(left + 4, foot + 8, f"{begin:%m-%d}", _INK)


def _height(value: int, most: int) -> int:
    return round(value / most * (_HEIGHT - _TOP - _BOTTOM))
