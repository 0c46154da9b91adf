"""Several SQLite databases as they are at one moment, read while others write to them.

The write lock of each is taken, then a transaction that reads is begun on each, and the locks are given back: writers
wait for milliseconds, and what is read afterwards, however long it takes, is of that moment. Where a lock is not free
soon, those that were taken are given back, and it is tried again: nobody waits for us who waits for others.

Source: SQLite's documentation, "Isolation In SQLite" and "BEGIN TRANSACTION".
"""

import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from shopkart_pipeline.domain.errors import ToolUnavailable

_LOCK_SECONDS = 0.2
_PAUSE_SECONDS = 0.05


@contextmanager
def at_one_moment(paths: Sequence[Path], wait_seconds: float) -> Generator[Mapping[Path, sqlite3.Connection]]:
    """Connections that read what was there at one moment.

    Args:
        paths: the databases, in the order in which their writers lock them, where they lock several.
        wait_seconds: how long to try.

    Raises:
        ToolUnavailable: one of them stays locked.
        sqlite3.Error: one of them is no database.
    """
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as readers:
        while True:
            with ExitStack() as locks:
                busy = next((path for path in paths if not _locked(locks, path)), None)
                if busy is None:
                    reading = {path: readers.enter_context(closing(_reader(path))) for path in paths}
                    break
            if time.monotonic() > deadline:
                raise ToolUnavailable(
                    f"{busy.name} stays locked.", "See which process holds it, and whether that hangs."
                )
            time.sleep(_PAUSE_SECONDS)
        yield reading


def _locked(locks: ExitStack, path: Path) -> bool:
    """Whether the write lock was free; it is held until `locks` closes."""
    connection = locks.enter_context(
        closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_LOCK_SECONDS, isolation_level=None))
    )
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return False
        raise
    return True


def _reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_SECONDS, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # The transaction begins with its first look.
    return connection
