"""One way to write domain data down, so that equal data give equal bytes and equal digests.

A moment is the same in every time zone, and a number is the same whether it was written `1` or `1.0` (a database may
give back the other one). What has no single meaning has no canonical form: a time without zone, NaN, a key that is
not text.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys and no white space; times in UTC. Raises `TypeError` for what has no canonical form."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest_of(value: object) -> str:
    """`sha256:` over the canonical JSON."""
    return f"sha256:{hashlib.sha256(canonical_json(value)).hexdigest()}"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in cast(Mapping[object, object], value).items()}
    if isinstance(value, tuple | list):
        return [_plain(element) for element in cast(Sequence[object], value)]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"this {type(value).__name__} has no canonical form (times need a zone, numbers must be finite)")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of type {type(key).__name__} has no canonical form: keys are text")
    return key
