"""Notifications on their way, in a SQLite file. A key stays known for as long as its notification is kept."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.notifier import NotificationQueue, Queued, Untold

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notifications (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    key TEXT NOT NULL,
    incident_id TEXT NOT NULL,
    body TEXT NOT NULL,
    put_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before TEXT NOT NULL DEFAULT '',
    settled_at TEXT,
    given_up INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (channel, key)
);
CREATE INDEX IF NOT EXISTS notifications_unsettled ON notifications (channel, sequence) WHERE settled_at IS NULL;
CREATE TABLE IF NOT EXISTS shown (
    channel TEXT NOT NULL, incident_id TEXT NOT NULL, remote_id TEXT NOT NULL, PRIMARY KEY (channel, incident_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (channel TEXT PRIMARY KEY, holder TEXT NOT NULL, until TEXT NOT NULL) WITHOUT ROWID;
"""
_NOTIFICATION = TypeAdapter(Notification)
_LOCK_SECONDS = 5.0
"""A rollout that has something to tell must not wait long for the file."""


class SqliteNotificationQueue(NotificationQueue):
    """A durable queue in one file; `path` is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA, lock_seconds=_LOCK_SECONDS)

    def put(self, notification: Notification, channels: Sequence[str], now: datetime) -> tuple[str, ...]:
        body = _NOTIFICATION.dump_json(notification).decode()
        with self._database.transaction() as connection:
            return tuple(
                channel
                for channel in channels
                if connection.execute(
                    "INSERT OR IGNORE INTO notifications (channel, key, incident_id, body, put_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (channel, notification.key, notification.incident_id, body, now.isoformat()),
                ).rowcount
            )

    def waiting(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT DISTINCT channel FROM notifications WHERE settled_at IS NULL").fetchall()
        return tuple(row["channel"] for row in rows)

    def due(self, channel: str, now: datetime) -> Queued | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT notifications.*, shown.remote_id"
                " FROM notifications LEFT JOIN shown USING (channel, incident_id)"
                " WHERE settled_at IS NULL AND channel = ? ORDER BY sequence LIMIT 1",
                (channel,),
            ).fetchone()
        if row is None or (row["not_before"] and now < datetime.fromisoformat(row["not_before"])):
            return None
        put_at = datetime.fromisoformat(row["put_at"])
        return Queued(row["sequence"], channel, _notification(row), row["attempts"], put_at, row["remote_id"])

    def trying(self, sequence: int) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE notifications SET attempts = attempts + 1 WHERE sequence = ?", (sequence,))

    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE notifications SET settled_at = ?, reason = '' WHERE sequence = ?", (now.isoformat(), sequence)
            )
            if remote_id:
                connection.execute(
                    "INSERT OR REPLACE INTO shown SELECT channel, incident_id, ? FROM notifications WHERE sequence = ?",
                    (remote_id, sequence),
                )

    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE notifications SET not_before = ?, reason = ? WHERE sequence = ?",
                (until.isoformat(), reason, sequence),
            )

    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE notifications SET settled_at = ?, reason = ?, given_up = 1 WHERE sequence = ?",
                (now.isoformat(), reason, sequence),
            )

    def take_turn(self, channel: str, holder: str, until: datetime, now: datetime) -> bool:
        with self._database.transaction() as connection:
            row = connection.execute("SELECT holder, until FROM turns WHERE channel = ?", (channel,)).fetchone()
            if row is not None and row["holder"] != holder and now < datetime.fromisoformat(row["until"]):
                return False
            connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?)", (channel, holder, until.isoformat()))
            return True

    def end_turn(self, channel: str, holder: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM turns WHERE channel = ? AND holder = ?", (channel, holder))

    def untold(self, limit: int = 100) -> tuple[Untold, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM notifications WHERE settled_at IS NULL OR given_up ORDER BY sequence DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return tuple(
            Untold(
                row["channel"],
                _notification(row),
                datetime.fromisoformat(row["put_at"]),
                row["attempts"],
                row["reason"],
                bool(row["given_up"]),
            )
            for row in rows
        )

    def forget(self, settled_before: datetime) -> int:
        with self._database.transaction() as connection:
            gone = connection.execute(
                "DELETE FROM notifications WHERE settled_at < ?", (settled_before.isoformat(),)
            ).rowcount
            connection.execute(
                "DELETE FROM shown WHERE NOT EXISTS (SELECT 1 FROM notifications AS kept"
                " WHERE kept.channel = shown.channel AND kept.incident_id = shown.incident_id)"
            )
            return gone


def _notification(row: sqlite3.Row) -> Notification:
    return _NOTIFICATION.validate_json(row["body"])
