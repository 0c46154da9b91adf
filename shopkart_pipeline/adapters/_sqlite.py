"""SQLite files shared by many short-lived processes: connections that stay open, write-ahead log, real fsync.

A connection is used by one thread at a time and given back afterwards; keeping it open saves two fsyncs per operation,
because the last one that closes moves the whole log into the file. A connection survives no fork, so a child leaves
those of its parent alone and opens its own; nor does it survive that its file is replaced. Whatever SQLite has to
complain about (a full disk, a damaged file, a lock that is never given back) is `ToolUnavailable`: the file could not
be used, and nothing was acknowledged.
"""

import fcntl
import os
import sqlite3
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.masked_sqlite import MaskingConnection

_KEPT_OPEN = 4
_of_parents: list[sqlite3.Connection] = []
"""Connections that came over a fork; closing one here could disturb the parent."""


class Database:
    """One SQLite file with a schema that is created when it is missing.

    Args:
        path: of the file.
        schema: statements that may be carried out again.
        lock_seconds: how long to wait for others to give its lock back.
    """

    def __init__(self, path: Path, schema: str, *, lock_seconds: float = 30.0) -> None:
        self._path = path
        self._schema = schema
        self._lock_seconds = lock_seconds
        self._turn = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._owner = (0, 0)
        """Process and inode that the idle connections belong to."""
        self._prepared = False
        weakref.finalize(self, _close, self._idle)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Generator[sqlite3.Connection]:
        """A transaction that holds the write lock from its beginning.

        It is on disk when it ends without an error. One that is not durable is there for every reader then, survives
        the end of this process, and is on disk with the next durable one at the latest; it holds the lock for a moment
        only.
        """
        with self._connection() as connection:
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
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
        try:
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()  # Whatever it was in the middle of is over.
                raise
            self._give_back(connection)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # Python can't read a complaint that quotes damaged text.
            raise ToolUnavailable(
                f"The database {self._path} can't be used: {error}.",
                "Look at the disk's space and the file's permissions; restore it from a backup if it is damaged.",
            ) from error

    def _take(self) -> sqlite3.Connection:
        with self._turn:
            self._part_from_others()
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._turn:
            if len(self._idle) < _KEPT_OPEN and self._owner == (os.getpid(), _inode(self._path)):
                self._idle.append(connection)
                return
        connection.close()

    def _part_from_others(self) -> None:
        """Let go of idle connections that are a parent's, or lead to a file that was replaced."""
        process, inode = os.getpid(), _inode(self._path)
        if self._owner != (process, inode):
            if self._owner[0] == process:
                _close(self._idle)
            else:
                _of_parents.extend(self._idle)
            self._idle.clear()
            self._owner, self._prepared = (process, inode), False

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path,
            timeout=self._lock_seconds,
            isolation_level=None,
            check_same_thread=False,
            factory=MaskingConnection,
        )
        try:
            connection.row_factory = sqlite3.Row
            if not self._prepared:
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        with self._turn:
            self._owner = (os.getpid(), _inode(self._path))
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the schema, one process at a time: changing the journal mode does not wait for others by itself."""
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(self._schema)
        self._prepared = True


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _close(connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        with suppress(sqlite3.Error):
            connection.close()
