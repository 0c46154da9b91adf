"""The simulation's findings as one SVG: how often good canaries are aborted, and when a bad one is found.

Drawn from the bench's JSON, so picture and table say the same. Plain SVG with its own colours and a white ground, so it
is readable wherever it is shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from shopkart_pipeline.cli.bench.judging.trial import RULES

_COLOURS = ("#1a5fb4", "#7fb2ea", "#c64600", "#f0a860", "#2f8f5b", "#8a5ab5")
_WIDTH, _ROW, _BAR, _LEFT, _PLOT = 960, 92, 12, 300, 560
_HEAD, _LINES_HEIGHT = 84, 240
_LONGEST_SECONDS, _MARKS_SECONDS = 900.0, (0, 30, 60, 120, 300, 600, 900)


def svg(measurement: Mapping[str, Any], false: str, found: str) -> str:
    """The picture of a measurement.

    Args:
        measurement: the judge's part of the bench's document.
        false: how quantities about good canaries begin.
        found: the quantity about the bad canary that is drawn.
    """
    measures: Sequence[Mapping[str, Any]] = measurement["measures"]
    good = {each["quantity"]: None for each in measures if each["quantity"].startswith(f"{false}: ")}
    top = _HEAD + _ROW * len(good) + 60
    height = top + _LINES_HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="13" fill="#222">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        _text(16, 26, "Good canaries aborted within 30 minutes, percent", weight="bold"),
        *_legend(),
        *(part for row, name in enumerate(good) for part in _bars(measures, name, false, _HEAD + _ROW * row)),
        _text(16, top - 22, f"Bad canaries {found}: percent, by seconds since the first request", weight="bold"),
        *_curves(measures, found, top),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, words: str, *, weight: str = "normal", anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-weight="{weight}" text-anchor="{anchor}">{escape(words)}</text>'


def _legend() -> Iterator[str]:
    for index, (rule, colour) in enumerate(zip(RULES, _COLOURS, strict=True)):
        x, y = 16 + index % 3 * 310, 46 + index // 3 * 20
        yield f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, y, rule)


def _bars(measures: Sequence[Mapping[str, Any]], name: str, false: str, y: float) -> Iterator[str]:
    yield _text(_LEFT - 10, y + 3 * _BAR + 4, name.removeprefix(f"{false}: "), anchor="end")
    drawn = [each for each in measures if each["quantity"] == name]
    for index, each in enumerate(drawn):
        colour, value = _COLOURS[RULES.index(each["subject"])], float(each["median"])
        top, width = y + index * _BAR, 1 + _PLOT * value / 100
        yield f'<rect x="{_LEFT}" y="{top:.0f}" width="{width:.1f}" height="{_BAR - 2}" fill="{colour}"/>'
        yield f'<text x="{_LEFT + 6 + width:.0f}" y="{top + _BAR - 3:.0f}" font-size="10">{value:g}</text>'


def _curves(measures: Sequence[Mapping[str, Any]], found: str, top: float) -> Iterator[str]:
    bottom = top + _LINES_HEIGHT
    yield f'<path d="M{_LEFT} {top:.0f} V{bottom:.0f} H{_LEFT + _PLOT}" fill="none" stroke="#888"/>'
    for percent in (0, 50, 100):
        yield _text(_LEFT - 8, bottom - _LINES_HEIGHT * percent / 100 + 4, str(percent), anchor="end")
    for mark in _MARKS_SECONDS:
        yield _text(_x(mark), bottom + 18, str(mark), anchor="middle")
    for each in measures:
        if each["quantity"] == found:
            yield _curve(each["samples"], _COLOURS[RULES.index(each["subject"])], bottom)


def _curve(samples: Sequence[float], colour: str, bottom: float) -> str:
    """The share that was found by each second, as steps."""
    path = [f"M{_x(0):.1f} {bottom:.1f}"]
    for number, seconds in enumerate(sorted(samples), start=1):
        if seconds > _LONGEST_SECONDS:
            break
        path += [f"H{_x(seconds):.1f}", f"V{bottom - _LINES_HEIGHT * number / len(samples):.1f}"]
    return f'<path d="{" ".join(path)} H{_LEFT + _PLOT}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _x(seconds: float) -> float:
    """Square-root scale: the first seconds matter most."""
    return _LEFT + _PLOT * (seconds / _LONGEST_SECONDS) ** 0.5
