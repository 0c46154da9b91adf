"""Cron expressions: five fields, checked before a scheduler sees them."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from shopkart_pipeline.domain.recurrence import Recurrence
from shopkart_pipeline.spec.faults import show
from shopkart_pipeline.spec.text_types import declared_error

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...], int], ...] = (
    ("minute", 0, 59, (), 0),
    ("hour", 0, 23, (), 0),
    ("day of the month", 1, 31, (), 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of the week", 0, 7, _DAYS, 0),
)
"""Name, lowest and highest value, and names for values with the first one's value."""
_PART = re.compile(r"(?P<from>\*|[0-9]{1,2}|[a-z]{3})(-(?P<to>[0-9]{1,2}|[a-z]{3}))?(/(?P<step>[0-9]{1,2}))?")


def check_cron(expression: str) -> str:
    """The expression itself.

    Raises:
        PydanticCustomError: it is no cron expression of five fields; says which field is wrong.
    """
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise declared_error(
            f"{show(expression)} is not a cron expression: it has {len(parts)} fields instead of five "
            "(minute, hour, day of the month, month, day of the week), such as */5 * * * *"
        )
    for written, (name, lowest, highest, words, first) in zip(parts, _FIELDS, strict=True):
        values = {word: index + first for index, word in enumerate(words)}
        if not all(_fits(part, lowest, highest, values) for part in written.lower().split(",")):
            raise declared_error(f"{show(written)} is not a {name} of a cron expression ({lowest} to {highest})")
    return expression


def _fits(part: str, lowest: int, highest: int, words: dict[str, int]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or (match["from"] == "*" and match["to"]) or match["step"] in ("0", "00"):
        return False
    first = lowest if match["from"] == "*" else _number(match["from"], words)
    last = first if match["to"] is None else _number(match["to"], words)
    return lowest <= first <= last <= highest


def recurrence(expression: str, time_zone: str) -> Recurrence:
    """The moments that an expression names; it has been checked."""
    written = [part.lower() for part in expression.split()]
    minutes, hours, days, months, weekdays = (
        frozenset(value for part in text.split(",") for value in _values(part, field))
        for text, field in zip(written, _FIELDS, strict=True)
    )
    # Sunday is 0 and 7 in cron; Monday is 0 here.
    of_week = frozenset((day - 1) % 7 for day in weekdays)
    either = not written[2].startswith("*") and not written[4].startswith("*")
    return Recurrence(time_zone, minutes, hours, days, months, of_week, either)


def _values(part: str, field: tuple[str, int, int, tuple[str, ...], int]) -> range:
    _, lowest, highest, words, offset = field
    match = _PART.fullmatch(part)
    if match is None:
        return range(0)
    values = {word: index + offset for index, word in enumerate(words)}
    first = lowest if match["from"] == "*" else _number(match["from"], values)
    open_ended = match["from"] == "*" or (match["step"] is not None and match["to"] is None)
    last = highest if open_ended else first if match["to"] is None else _number(match["to"], values)
    return range(first, last + 1, int(match["step"] or 1))


def _number(text: str, words: dict[str, int]) -> int:
    return int(text) if text.isdigit() else words.get(text, -1)


Cron = Annotated[
    str, AfterValidator(check_cron), Field(json_schema_extra={"$comment": "a cron expression, such as */5 * * * *"})
]
