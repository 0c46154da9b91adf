"""Durations as people write them: `90` or `90s`, `5m`, `2h`, `30d`."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from shopkart_pipeline.spec.faults import show
from shopkart_pipeline.spec.text_types import declared_error

_WRITTEN = re.compile(r"(-?[0-9]{1,9}(?:\.[0-9]{1,6})?)(s|m|h|d)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_DAYS = 366
_FORMS = "write seconds as 90 or 90s, or use 5m, 2h, 30d"


def parse_duration(value: object) -> float:
    """Seconds, from a number of seconds or text with a unit.

    Raises:
        PydanticCustomError: it is no duration, negative, or longer than 366 days.
    """
    match = _WRITTEN.fullmatch(str(value)) if isinstance(value, int | float | str) else None
    if match is None or isinstance(value, bool):
        raise declared_error(f"{show(value)} is not a duration; {_FORMS}")
    seconds = float(match[1]) * _SECONDS[match[2] or "s"]
    if seconds < 0:
        raise declared_error(f"a duration can't be negative, got {show(value)}; {_FORMS}")
    if seconds > _LONGEST_DAYS * _SECONDS["d"]:
        raise declared_error(f"a duration can't be longer than {_LONGEST_DAYS}d, got {show(value)}")
    return seconds


def _parse_positive(value: object) -> float:
    seconds = parse_duration(value)
    if seconds == 0:
        raise declared_error(f"the duration has to be longer than zero; {_FORMS}")
    return seconds


_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?(s|m|h|d)?$"},
        ],
        "$comment": "a duration, such as 90, 90s, 5m, 2h or 30d",
    }
)

Duration = Annotated[float, BeforeValidator(parse_duration), _SCHEMA]
"""Seconds, zero or more."""

PositiveDuration = Annotated[float, BeforeValidator(_parse_positive), _SCHEMA]
"""Seconds, more than zero."""
