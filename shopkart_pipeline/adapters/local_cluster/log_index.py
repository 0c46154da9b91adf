"""The lines of replicas' logs in a SQLite database with full text search (FTS5), for longer than the files are kept.

Lines and how far a file has been read are stored in one transaction, so whoever is killed leaves neither a gap nor a
line twice, and of two who read the same piece one stores it. Retention is by age and by size: the oldest lines go.
The index of trigrams finds lines that may have a text, and each of them is looked at; for shorter texts all lines are.

Source: SQLite, "FTS5 Extension": external content tables, the trigram tokenizer.
"""

import math
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopkart_pipeline.adapters._log_lines import NEVER, has_text
from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    folder TEXT NOT NULL, name TEXT NOT NULL, offset INTEGER NOT NULL, head_bytes INTEGER NOT NULL, head TEXT NOT NULL,
    at INTEGER NOT NULL, release_key TEXT NOT NULL, in_traceback INTEGER NOT NULL, PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, at INTEGER NOT NULL, track TEXT NOT NULL, replica TEXT NOT NULL,
    release_key TEXT NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL, signature TEXT
);
CREATE INDEX IF NOT EXISTS lines_by_time ON lines (folder, at);
CREATE INDEX IF NOT EXISTS lines_by_age ON lines (at);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (message, content='lines', content_rowid='id', tokenize='trigram');
CREATE TRIGGER IF NOT EXISTS line_added AFTER INSERT ON lines BEGIN
    INSERT INTO words (rowid, message) VALUES (new.id, new.message);
END;
CREATE TRIGGER IF NOT EXISTS line_removed AFTER DELETE ON lines BEGIN
    INSERT INTO words (words, rowid, message) VALUES ('delete', old.id, old.message);
END;
"""
LOCK_SECONDS = 2.0
KEPT_FOR = timedelta(days=14)
MOST_BYTES = 512 << 20
_ERRORS = """SELECT * FROM lines WHERE folder = ? AND at BETWEEN ? AND ? AND level IN ('critical', 'error', 'fatal')
    ORDER BY at, id LIMIT ?"""
_WITH_WORD = """SELECT * FROM lines WHERE folder = ? AND at BETWEEN ? AND ?
    AND id IN (SELECT rowid FROM words WHERE words MATCH ?) AND has_text(message, ?)
    ORDER BY at DESC, id DESC LIMIT ?"""
_WITH_TEXT = """SELECT * FROM lines WHERE folder = ? AND at BETWEEN ? AND ? AND has_text(message, ?)
    ORDER BY at DESC, id DESC LIMIT ?"""
_WORD = re.compile(r"[\x20-\x7e]{3,}")
"""What the index folds as everybody does."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REMOVED_AT_ONCE = 5000


@dataclass(frozen=True)
class Position:
    """How far a file has been read, and what its reader knew there."""

    offset: int
    head_bytes: int
    """So many bytes at the file's beginning tell it from another one of the same name."""
    head: str
    """Their digest."""
    at: datetime = NEVER
    release_key: str = ""
    in_traceback: bool = False


@dataclass(frozen=True)
class Stored:
    """What the database holds, all of the same moment."""

    lines: tuple[LogLine, ...]
    positions: Mapping[str, Position]
    """By name of the file."""


class LogIndex:
    """The database; `path` is made with the first line that is stored.

    Args:
        path: of the database.
        kept_for: how old a line may become.
        most_bytes: how large the database may become.
    """

    def __init__(self, path: Path, kept_for: timedelta = KEPT_FOR, most_bytes: int = MOST_BYTES) -> None:
        self._path, self._kept_for, self._most_bytes = path, kept_for, most_bytes
        self._database = Database(path, SCHEMA, lock_seconds=LOCK_SECONDS)

    def errors(self, folder: str, since: datetime, until: datetime, limit: int) -> Stored:
        """Errors of a window, the oldest ones. Raises `ToolUnavailable` where the database can't be read."""
        return self._look(folder, _ERRORS, (folder, _stored(since), _stored(until), limit))

    def search(self, folder: str, since: datetime, until: datetime, text: str, limit: int) -> Stored:
        """The newest lines of a window with a text, newest first; raises as `errors` does."""
        window, word = (folder, _stored(since), _stored(until)), max(_WORD.findall(text), key=len, default="")
        if word:
            return self._look(folder, _WITH_WORD, (*window, '"' + word.replace('"', '""') + '"', text, limit))
        return self._look(folder, _WITH_TEXT, (*window, text, limit))

    def positions(self, folder: str) -> Mapping[str, Position]:
        """How far each file has been read; raises as `errors` does."""
        return self._look(folder, _ERRORS, (folder, 0, 0, 0)).positions

    def store(self, folder: str, name: str, before: Position | None, after: Position, lines: Sequence[LogLine]) -> bool:
        """Store what was read of a file between two positions; False where somebody else has done so meanwhile.

        Raises:
            ToolUnavailable: it can't be stored, as where the disk is full; then nothing of it is.
        """
        with self._database.transaction(durable=False) as connection:
            row = connection.execute("SELECT * FROM files WHERE folder = ? AND name = ?", (folder, name)).fetchone()
            if (None if row is None else _position(row)) != before:
                return False
            connection.executemany(
                "INSERT INTO lines (folder, at, track, replica, release_key, level, message, signature)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(folder, *_values(line)) for line in lines],
            )
            told = {**asdict(after), "at": _stored(after.at), "folder": folder, "name": name}
            connection.execute(
                "INSERT OR REPLACE INTO files"
                " VALUES (:folder, :name, :offset, :head_bytes, :head, :at, :release_key, :in_traceback)",
                told,
            )
        return True

    def retain(self, now: datetime, until_monotonic: float = math.inf) -> int:
        """Let go of lines that are too old or too many, a twentieth at a time; returns how many went. What is still too
        much at that time of the monotonic clock goes the next time."""
        if not self._path.exists():
            return 0
        with self._database.transaction(durable=False) as connection:
            gone = connection.execute("DELETE FROM lines WHERE at < ?", (_stored(now - self._kept_for),)).rowcount
        while self._used_bytes() > self._most_bytes:
            with self._database.transaction(durable=False) as connection:
                removed = connection.execute(
                    "DELETE FROM lines WHERE id IN (SELECT id FROM lines ORDER BY at"
                    " LIMIT (SELECT max(?, count(*) / 20) FROM lines))",
                    (_REMOVED_AT_ONCE,),
                ).rowcount
                connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            gone += removed
            if not removed or time.monotonic() >= until_monotonic:
                break
        return gone

    def forget(self, folder: str, names: Sequence[str]) -> None:
        """Forget how far files were read that are gone; their lines stay."""
        with self._database.transaction(durable=False) as connection:
            connection.executemany(
                "DELETE FROM files WHERE folder = ? AND name = ?", [(folder, each) for each in names]
            )

    def _used_bytes(self) -> int:
        with self._database.reading() as connection:
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * size

    def _look(self, folder: str, statement: str, values: Sequence[object]) -> Stored:
        """Lines and positions of the same moment: nothing may be stored in between."""
        if not self._path.exists():
            return Stored((), {})
        try:
            with self._database.reading() as connection:
                connection.create_function("has_text", 2, has_text, deterministic=True)
                connection.execute("BEGIN")
                lines = tuple(map(_line, connection.execute(statement, values)))
                rows = connection.execute("SELECT * FROM files WHERE folder = ?", (folder,)).fetchall()
                connection.execute("COMMIT")
        except ToolUnavailable:
            if self._is_empty():
                return Stored((), {})
            raise
        return Stored(lines, {row["name"]: _position(row) for row in rows})

    def _is_empty(self) -> bool:
        """Whether nothing was ever stored, as where there was no room for tables, or this SQLite has no trigrams."""
        try:
            with closing(
                sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)
            ) as connection:
                return connection.execute("SELECT count(*) FROM files").fetchone() == (0,)
        except sqlite3.OperationalError as error:
            return "no such table" in str(error)
        except sqlite3.Error:
            return False


def _stored(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _read(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _position(row: sqlite3.Row) -> Position:
    return Position(
        row["offset"], row["head_bytes"], row["head"], _read(row["at"]), row["release_key"], bool(row["in_traceback"])
    )


def _values(line: LogLine) -> tuple[object, ...]:
    return (
        _stored(line.at),
        line.track.value,
        line.replica,
        line.release_key,
        line.level,
        line.message,
        line.signature,
    )


def _line(row: sqlite3.Row) -> LogLine:
    return LogLine(
        _read(row["at"]),
        Track(row["track"]),
        row["replica"],
        row["release_key"],
        row["level"],
        row["message"],
        row["signature"],
    )
