"""JSON that has one meaning, and times with a zone."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any, cast

from .claims import Fault

LONGEST_DOCUMENT = 64 << 20


def parse(content: bytes) -> Any:
    """JSON in which no name occurs twice and every number is one: two readers must not see two different things."""
    if len(content) > LONGEST_DOCUMENT:
        raise Fault("the document is too long")
    return json.loads(
        content.decode(), object_pairs_hook=_once, parse_constant=_no_number, parse_int=_integer, parse_float=_finite
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError("no number")


def _integer(text: str) -> int:
    if len(text) > 40:
        raise ValueError("the number is too long")
    return int(text)


def _finite(text: str) -> float:
    value = float(text) if len(text) <= 400 else math.inf
    return value if math.isfinite(value) else _no_number(text)


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def the_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no object")
    return cast("dict[str, Any]", value)


def the_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def moment_of(text: Any) -> datetime:
    """A time with its zone."""
    # Go writes as many digits as it takes, up to nanoseconds; Python before 3.11 reads six.
    told = re.sub(r"\.([0-9]+)", lambda found: f".{found[1][:6]:0<6}", the_text(text), count=1)
    moment = datetime.fromisoformat(told[:-1] + "+00:00" if told.endswith("Z") else told)
    if moment.tzinfo is None:
        raise ValueError("a time without zone")
    return moment
