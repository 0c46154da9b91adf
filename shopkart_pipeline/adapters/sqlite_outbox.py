"""The outbox in a SQLite file. What a thing is called at the code host is kept for as long as the file is."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._notice_documents import notice_document, read_notice
from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.notice import Notice
from shopkart_pipeline.ports.outbox import Outbox, Outgoing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notices (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    about TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    put_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before TEXT NOT NULL DEFAULT '',
    settled_at TEXT,
    problem TEXT
);
CREATE INDEX IF NOT EXISTS notices_by_thing ON notices (about, sequence);
CREATE INDEX IF NOT EXISTS notices_unsettled ON notices (sequence) WHERE settled_at IS NULL;
CREATE TABLE IF NOT EXISTS things (about TEXT PRIMARY KEY, remote_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL, until TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pauses (id INTEGER PRIMARY KEY CHECK (id = 1), until TEXT NOT NULL, reason TEXT NOT NULL);
"""


class SqliteOutbox(Outbox):
    """A durable queue in one file; `path` is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def put(self, notices: Sequence[Notice], now: datetime) -> None:
        with self._database.transaction() as connection:
            for notice in notices:
                kind, body = notice_document(notice)
                newest = connection.execute(
                    "SELECT kind, body FROM notices WHERE about = ? ORDER BY sequence DESC LIMIT 1", (notice.about,)
                ).fetchone()
                if newest is None or tuple(newest) != (kind, body):
                    connection.execute(
                        "INSERT INTO notices (about, kind, body, put_at) VALUES (?, ?, ?, ?)",
                        (notice.about, kind, body, now.isoformat()),
                    )

    def pending(self, now: datetime, limit: int = 50) -> tuple[Outgoing, ...]:
        with self._database.reading() as connection:
            pause = connection.execute("SELECT until FROM pauses").fetchone()
            if pause is not None and now < datetime.fromisoformat(pause["until"]):
                return ()
            rows = connection.execute(
                "SELECT notices.*, things.remote_id,"
                " (SELECT sum(attempts) FROM notices AS tried WHERE tried.about = notices.about"
                "  AND (tried.settled_at IS NULL OR tried.not_before = 'never')) AS tries"
                " FROM notices LEFT JOIN things USING (about)"
                " WHERE settled_at IS NULL"
                " AND sequence = (SELECT max(sequence) FROM notices AS newest WHERE newest.about = notices.about)"
                " ORDER BY sequence"
            ).fetchall()
        due = (row for row in rows if not row["not_before"] or datetime.fromisoformat(row["not_before"]) <= now)
        return tuple(_outgoing(row) for _, row in zip(range(limit), due, strict=False))

    def waiting(self) -> int:
        with self._database.reading() as connection:
            return connection.execute("SELECT count(*) FROM notices WHERE settled_at IS NULL").fetchone()[0]

    def trying(self, sequence: int) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE notices SET attempts = attempts + 1 WHERE sequence = ?", (sequence,))

    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        with self._database.transaction() as connection:
            row = connection.execute("SELECT about FROM notices WHERE sequence = ?", (sequence,)).fetchone()
            connection.execute(
                "UPDATE notices SET settled_at = ? WHERE about = ? AND sequence <= ? AND settled_at IS NULL",
                (now.isoformat(), row["about"], sequence),
            )
            connection.execute("INSERT OR REPLACE INTO things VALUES (?, ?)", (row["about"], remote_id))

    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE notices SET not_before = ?, problem = ? WHERE sequence = ?",
                (until.isoformat(), reason, sequence),
            )

    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE notices SET settled_at = ?, problem = ?, not_before = 'never' WHERE sequence = ?",
                (now.isoformat(), reason, sequence),
            )

    def pause(self, until: datetime, reason: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO pauses VALUES (1, ?, ?)", (until.isoformat(), reason))

    def take_turn(self, holder: str, until: datetime, now: datetime) -> bool:
        with self._database.transaction() as connection:
            row = connection.execute("SELECT holder, until FROM turns").fetchone()
            if row is not None and row["holder"] != holder and now < datetime.fromisoformat(row["until"]):
                return False
            connection.execute("INSERT OR REPLACE INTO turns VALUES (1, ?, ?)", (holder, until.isoformat()))
            return True

    def end_turn(self, holder: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM turns WHERE holder = ?", (holder,))

    def forget(self, settled_before: datetime) -> int:
        with self._database.transaction() as connection:
            limit = (settled_before.isoformat(),)
            gone = connection.execute("DELETE FROM notices WHERE settled_at < ?", limit).rowcount
            connection.execute("DELETE FROM things WHERE about NOT IN (SELECT about FROM notices)")
            return gone

    def abandoned(self, limit: int = 100) -> tuple[tuple[Notice, str], ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM notices WHERE not_before = 'never' ORDER BY sequence DESC LIMIT ?", (limit,)
            ).fetchall()
        return tuple((_notice(row), row["problem"]) for row in rows)


def _outgoing(row: sqlite3.Row) -> Outgoing:
    return Outgoing(row["sequence"], _notice(row), row["tries"], row["remote_id"])


def _notice(row: sqlite3.Row) -> Notice:
    return read_notice(row["kind"], row["body"])
