"""The inbox in a SQLite file: a delivery is on disk before anybody is told that it was received.

Deliveries that come at once are one transaction with one fsync. That a delivery is done is written without an fsync of
its own, so the lock that receivers wait for is held for a moment only.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.inbox import LED_TO_NOTHING, MOST_PENDING_BYTES, Delivery, Inbox

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    received_at TEXT NOT NULL,
    body BLOB NOT NULL,
    done_at TEXT,
    outcome TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_pending ON deliveries (sequence) WHERE done_at IS NULL;
"""
_PUT = f"""
INSERT INTO deliveries (id, event, received_at, body) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET event = excluded.event, received_at = excluded.received_at, body = excluded.body,
    done_at = NULL, outcome = NULL
WHERE done_at IS NOT NULL AND ({" OR ".join(f"outcome LIKE '{word}%'" for word in LED_TO_NOTHING)})
"""  # noqa: S608 # The words are constants.
_PENDING = """
WITH waiting AS (
    SELECT sequence, length(body) AS size FROM deliveries
    WHERE done_at IS NULL AND sequence > coalesce((SELECT sequence FROM deliveries WHERE id = ?), 0)
    ORDER BY sequence LIMIT ?
), counted AS (SELECT sequence, size, sum(size) OVER (ORDER BY sequence) AS total FROM waiting)
SELECT id, event, received_at, body FROM counted JOIN deliveries USING (sequence)
WHERE total <= ? OR total = size ORDER BY sequence
"""
_ROWS_AT_ONCE = 100
"""Bodies that are dropped under one lock."""


class SqliteInbox(Inbox):
    """A durable queue in one file; `path` is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
        with self._database.transaction() as connection:
            return tuple(_put(connection, delivery) for delivery in deliveries)

    def pending(self, limit: int = 100, after: str | None = None) -> tuple[Delivery, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(_PENDING, (after, limit, MOST_PENDING_BYTES)).fetchall()
        return tuple(
            Delivery(row["id"], row["event"], datetime.fromisoformat(row["received_at"]), row["body"]) for row in rows
        )

    def waiting(self) -> int:
        with self._database.reading() as connection:
            return connection.execute("SELECT count(*) FROM deliveries WHERE done_at IS NULL").fetchone()[0]

    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        with self._database.transaction(durable=False) as connection:
            connection.execute(
                "UPDATE deliveries SET done_at = ?, outcome = ? WHERE id = ? AND done_at IS NULL",
                (now.astimezone(UTC).isoformat(), plain(outcome), delivery_id),
            )

    def known(self, ids: Collection[str]) -> frozenset[str]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id FROM deliveries WHERE id IN (SELECT value FROM json_each(?))", (json.dumps([*ids]),)
            ).fetchall()
        return frozenset(row["id"] for row in rows)

    def find(self, delivery_id: str) -> Delivery | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT id, event, received_at, body FROM deliveries WHERE id = ?", (delivery_id,)
            ).fetchone()
        if row is None:
            return None
        return Delivery(row["id"], row["event"], datetime.fromisoformat(row["received_at"]), row["body"])

    def drop_bodies(self, done_before: datetime) -> int:
        with self._database.reading() as connection:
            old = connection.execute(
                "SELECT sequence FROM deliveries WHERE done_at < ? AND length(body) > 0",
                (done_before.astimezone(UTC).isoformat(),),
            ).fetchall()
        numbers = [(row["sequence"],) for row in old]
        for begin in range(0, len(numbers), _ROWS_AT_ONCE):
            with self._database.transaction(durable=False) as connection:
                # One that was delivered again meanwhile is pending, and keeps its body.
                connection.executemany(
                    "UPDATE deliveries SET body = x'' WHERE sequence = ? AND done_at IS NOT NULL",
                    numbers[begin : begin + _ROWS_AT_ONCE],
                )
        return len(numbers)


def _put(connection: sqlite3.Connection, delivery: Delivery) -> bool:
    values = (delivery.id, delivery.event, delivery.received_at.isoformat(), delivery.body)
    return connection.execute(_PUT, values).rowcount == 1
