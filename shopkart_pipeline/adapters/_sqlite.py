"""SQLite files shared by many short-lived processes: one connection per operation, write-ahead log, real fsync.

A connection is opened for each operation because runs are forked and stages are threads, and a SQLite connection
survives neither; opening takes about 0.2 ms. Whatever SQLite has to complain about (a full disk, a damaged file, a
lock that is never given back) is `ToolUnavailable`: the file could not be used, and nothing was acknowledged.
"""

import fcntl
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from shopkart_pipeline.domain.errors import ToolUnavailable


class Database:
    """One SQLite file with a schema that is created when it is missing."""

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._schema = schema
        self._ready = False

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """A transaction that holds the write lock from its beginning; durable when it ends without an error."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with suppress(sqlite3.Error):  # A full disk has rolled back by itself.
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection to read from."""
        with self._connection() as connection:
            yield connection

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            try:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA synchronous=FULL")
                if not self._ready:
                    self._prepare(connection)
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise ToolUnavailable(
                f"The database {self._path} can't be used: {error}.",
                "Look at the disk's space and the file's permissions; restore it from a backup if it is damaged.",
            ) from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the schema, one process at a time: changing the journal mode does not wait for others by itself."""
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(self._schema)
        self._ready = True
