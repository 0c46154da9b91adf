"""SQLAlchemy engines for SQLite files that stay open, so that an event costs a write and not a connection.

Dagster makes an engine for every statement: a new connection and a compilation each time, which is nine tenths of
what a stage without work takes. Here an engine is kept per file, and all engines share one dialect and one cache of
compiled statements, which a forked child inherits warm.

`synchronous=NORMAL` in WAL mode: a commit survives the death of any process, and after a power cut the database is
intact but may miss its last commits. What must not be missed (evidence, ledger, inbox) is not kept in Dagster.
"""

import os
import sqlite3
import threading
import weakref
from collections import OrderedDict
from functools import cache
from typing import Any, cast

from sqlalchemy import create_engine
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import LRUCache

from shopkart_pipeline.masked_sqlite import MaskingConnection

_BUSY_TIMEOUT_SECONDS = 30  # As Dagster's own.
_compiled_statements: LRUCache[Any, Any] = LRUCache(1000)


@cache
def _dialect() -> Dialect:
    engine = create_engine("sqlite://")
    with engine.connect():
        pass  # The first connection of an engine completes its dialect.
    engine.dispose()
    return engine.dialect


def _connect(path: str) -> DBAPIConnection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_SECONDS, check_same_thread=False, factory=MaskingConnection
    )
    connection.execute("PRAGMA synchronous=NORMAL")
    return cast("DBAPIConnection", connection)


def _make_engine(path: str, connections: int) -> Engine:
    pool = QueuePool(lambda: _connect(path), pool_size=connections, max_overflow=connections, dialect=_dialect())
    url = create_engine(f"sqlite:///{path}").url
    return Engine(pool, _dialect(), url, execution_options={"compiled_cache": _compiled_statements})


class SqliteEngines:
    """Open engines by path, at most `keep` of them.

    An engine is made anew when its file was deleted or replaced, and in a forked child: SQLite connections survive
    neither.
    """

    def __init__(self, keep: int, connections: int) -> None:
        self._keep = keep
        self._connections = connections
        self._engines: OrderedDict[str, tuple[Engine, int]] = OrderedDict()
        self._pid = os.getpid()
        self._turn = threading.Lock()
        weakref.finalize(self, _close, self._engines)

    def get(self, path: str) -> Engine:
        """The engine of a database file.

        Raises:
            FileNotFoundError: there is no such file; SQLite would make an empty one.
        """
        if self._pid != os.getpid():
            self._forget_those_of_the_parent()
        with self._turn:
            return self._get(path)

    def _get(self, path: str) -> Engine:
        inode = os.stat(path).st_ino  # A string, and not a Path, because this is asked for every statement.
        engine, known_inode = self._engines.get(path, (None, -1))
        if engine is None or known_inode != inode:
            if engine:
                engine.dispose()
            engine = _make_engine(path, self._connections)
            self._engines[path] = (engine, inode)
            while len(self._engines) > self._keep:
                self._engines.popitem(last=False)[1][0].dispose()
        self._engines.move_to_end(path)
        return engine

    def close(self) -> None:
        """Close all connections; the next `get` opens again."""
        with self._turn:
            _close(self._engines)

    def _forget_those_of_the_parent(self) -> None:
        for engine, _ in self._engines.values():
            engine.dispose(close=False)
        self._engines.clear()
        self._turn = threading.Lock()
        self._pid = os.getpid()


def _close(engines: "OrderedDict[str, tuple[Engine, int]]") -> None:
    for engine, _ in engines.values():
        engine.dispose()
    engines.clear()
