"""The inbox in a SQLite file: a delivery is on disk before anybody is told that it was received."""

from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.ports.inbox import Delivery, Inbox

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


class SqliteInbox(Inbox):
    """A durable queue in one file; `path` is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def put(self, delivery: Delivery) -> bool:
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO deliveries (id, event, received_at, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                (delivery.id, delivery.event, delivery.received_at.isoformat(), delivery.body),
            )
            return cursor.rowcount == 1

    def pending(self, limit: int = 100) -> tuple[Delivery, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, event, received_at, body FROM deliveries WHERE done_at IS NULL ORDER BY sequence LIMIT ?",
                (limit,),
            ).fetchall()
        return tuple(
            Delivery(row["id"], row["event"], datetime.fromisoformat(row["received_at"]), row["body"]) for row in rows
        )

    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET done_at = ?, outcome = ? WHERE id = ? AND done_at IS NULL",
                (now.isoformat(), outcome, delivery_id),
            )
