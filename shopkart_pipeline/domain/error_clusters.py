"""Error lines by kind, and each kind counted against the time before.

A kind is what a service itself says its error is (its signature), else its message with everything masked that is
different each time: numbers, identifiers, hexadecimal digits, addresses and quoted values. Masking again changes
nothing.

A kind is new where it never occurred before; grown where it occurs at least twice as often as before and chance does
not explain it (three standard deviations of the difference of two Poisson counts); otherwise as before. Where nobody
could count the time before, nothing is called new.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_LONGEST = 2000
_GROWTH, _DEVIATIONS = 2.0, 3.0
_MASKS = (
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+"), "<address>"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\b"), "<time>"),
    (re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|`[^`]*`"), "<value>"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b|\b(?=[A-F]*\d)[0-9A-F]{8,}\b"), "<id>"),
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])\w{16,}\b"), "<id>"),
    (re.compile(r"(?<![A-Za-z])\d+(?:[.,:]\d+)*"), "<number>"),
)


class Trend(StrEnum):
    """How a kind stands against the time before."""

    NEW = "new"
    GROWN = "grown"
    AS_BEFORE = "as before"
    UNKNOWN = "unknown"
    """Nobody could count the time before."""


@dataclass(frozen=True)
class ErrorEvent:
    """One error."""

    at: datetime
    kind: str
    message: str
    release_key: str


@dataclass(frozen=True)
class ErrorCluster:
    """All errors of one kind."""

    kind: str
    count: int
    by_release: Mapping[str, int]
    """Counts by the release that wrote them."""
    expected: float | None
    """How many there would be if it went on as before; None: nobody could count them."""
    trend: Trend
    example: str
    """The first one's message."""
    first_at: datetime
    """When it was first seen, in the time before too."""
    first_release_key: str
    """Which release it was first seen in."""


def kind_of(signature: str | None, message: str) -> str:
    """The kind of an error by what the service says, else by its message."""
    return signature or masked(message)


def masked(message: str) -> str:
    """The message without what is different each time."""
    text = message[:_LONGEST]
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def compare(
    during: Sequence[ErrorEvent],
    before: Sequence[ErrorEvent] | None,
    during_seconds: float,
    before_seconds: float,
) -> tuple[ErrorCluster, ...]:
    """Errors by kind, against the time before: new ones first, then grown ones, the most frequent first.

    Args:
        during: errors of the time that is looked at.
        before: errors of the time before; None: nobody could count them.
        during_seconds: how long the first one was.
        before_seconds: how long the second one was; zero is as if nobody had counted.
    """
    ratio = during_seconds / before_seconds if before is not None and before_seconds > 0 else None
    counted = Counter(event.kind for event in before or ())
    clusters = [
        _cluster(kind, [event for event in during if event.kind == kind], before or (), counted[kind], ratio)
        for kind in dict.fromkeys(event.kind for event in during)
    ]
    return tuple(sorted(clusters, key=lambda cluster: (list(Trend).index(cluster.trend), -cluster.count)))


def _cluster(
    kind: str, events: Sequence[ErrorEvent], before: Sequence[ErrorEvent], earlier: int, ratio: float | None
) -> ErrorCluster:
    in_order = sorted(events, key=lambda event: event.at)
    everything = [*in_order, *(event for event in before if event.kind == kind)]
    first = min(everything, key=lambda event: event.at)
    expected = None if ratio is None else earlier * ratio
    return ErrorCluster(
        kind=kind,
        count=len(events),
        by_release=Counter(event.release_key for event in events),
        expected=expected,
        trend=_trend(len(events), expected, ratio or 0.0),
        example=in_order[0].message,
        first_at=first.at,
        first_release_key=first.release_key,
    )


def _trend(count: int, expected: float | None, ratio: float) -> Trend:
    if expected is None:
        return Trend.UNKNOWN
    if expected == 0:
        return Trend.NEW
    deviation = math.sqrt(expected + expected * ratio)
    is_chance = count - expected <= _DEVIATIONS * deviation
    return Trend.AS_BEFORE if is_chance or count < _GROWTH * expected else Trend.GROWN
