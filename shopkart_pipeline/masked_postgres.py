"""PostgreSQL connections that let no known secret into a database, as `masked_sqlite` does for files.

Parameters of every statement are masked, also those by which something is looked for: what was kept under a masked
name is found under it. What text in PostgreSQL can't hold, NUL and halves of characters, becomes U+FFFD.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import psycopg

from shopkart_pipeline.known_secrets import KNOWN, SHORTEST_CHARACTERS

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


class MaskingCursor(psycopg.Cursor[tuple[Any, ...]]):
    """For `psycopg.connect(..., cursor_factory=MaskingCursor)`."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "MaskingCursor":
        super().execute(query, _masked(params), **options)
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        super().executemany(query, map(_masked, params_seq), **options)


def _masked(parameters: Any) -> Any:
    if not parameters:
        return parameters
    if isinstance(parameters, Mapping):
        return {name: _without(value) for name, value in cast(Mapping[str, Any], parameters).items()}
    return tuple(map(_without, parameters))


def _without(value: Any) -> Any:
    match value:
        case str():
            text = KNOWN.masked(value) if len(value) >= SHORTEST_CHARACTERS else value
            return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)
        case bytes():
            return KNOWN.masked_bytes(value)
        case list():
            return [_without(each) for each in cast(list[Any], value)]
        case _:
            return value
