"""SQLite connections that let no known secret into a database, whatever it is written in.

Parameters of every statement are masked, also those by which something is looked for: what was kept under a masked
name is found under it.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, cast

from shopkart_pipeline.known_secrets import KNOWN, SHORTEST_CHARACTERS


class MaskingCursor(sqlite3.Cursor):
    """What executes statements."""

    def execute(self, sql: str, parameters: Any = (), /) -> "MaskingCursor":
        super().execute(sql, _masked(parameters))
        return self

    def executemany(self, sql: str, seq_of_parameters: Iterable[Any], /) -> "MaskingCursor":
        super().executemany(sql, map(_masked, seq_of_parameters))
        return self


class MaskingConnection(sqlite3.Connection):
    """For `sqlite3.connect(..., factory=MaskingConnection)`."""

    def cursor(self, factory: Any = MaskingCursor) -> Any:
        return super().cursor(factory)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return cast(sqlite3.Cursor, self.cursor().execute(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        return cast(sqlite3.Cursor, self.cursor().executemany(sql, parameters))


def _masked(parameters: Any) -> Any:
    if not parameters or not KNOWN:
        return parameters
    if isinstance(parameters, Mapping):
        return {name: _without(value) for name, value in cast(Mapping[str, Any], parameters).items()}
    return tuple(map(_without, parameters))


def _without(value: Any) -> Any:
    if isinstance(value, str) and len(value) >= SHORTEST_CHARACTERS:
        return KNOWN.masked(value)
    return KNOWN.masked_bytes(value) if isinstance(value, bytes) else value
