"""Notifications on their way, in a PostgreSQL database. A key stays known for as long as its notification is kept."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter

from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.adapters._sending_turns import end_turn, take_turn
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.notifier import NotificationQueue, Queued, Untold

_TURN = "shopkart_notifications"
_ADD = """
INSERT INTO shopkart_notifications (channel, key, incident_id, body, put_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (channel, key) DO NOTHING
"""
_OLDEST = """
SELECT sequence, body, attempts, put_at, remote_id, not_before
FROM shopkart_notifications LEFT JOIN shopkart_shown USING (channel, incident_id)
WHERE settled_at IS NULL AND channel = %s ORDER BY sequence LIMIT 1
"""
_SHOWN = """
INSERT INTO shopkart_shown SELECT channel, incident_id, %s FROM shopkart_notifications WHERE sequence = %s
ON CONFLICT (channel, incident_id) DO UPDATE SET remote_id = excluded.remote_id
"""
_UNTOLD = """
SELECT channel, body, put_at, attempts, reason, given_up FROM shopkart_notifications
WHERE settled_at IS NULL OR given_up ORDER BY sequence DESC LIMIT %s
"""
_FORGET_SHOWN = """
DELETE FROM shopkart_shown AS shown WHERE NOT EXISTS (
    SELECT 1 FROM shopkart_notifications AS kept
    WHERE kept.channel = shown.channel AND kept.incident_id = shown.incident_id
)
"""
_NOTIFICATION = TypeAdapter(Notification)


class PostgresNotificationQueue(NotificationQueue):
    """A durable queue in a database with the tables of `_store_tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, notification: Notification, channels: Sequence[str], now: datetime) -> tuple[str, ...]:
        body = _NOTIFICATION.dump_json(notification).decode()
        rest = (notification.key, notification.incident_id, body, now)

        def put(connection: Connection) -> tuple[str, ...]:
            return tuple(channel for channel in channels if connection.execute(_ADD, (channel, *rest)).rowcount)

        return self._database.write(put, _TURN)

    def waiting(self) -> tuple[str, ...]:
        rows = self._database.rows("SELECT DISTINCT channel FROM shopkart_notifications WHERE settled_at IS NULL")
        return tuple(channel for (channel,) in rows)

    def due(self, channel: str, now: datetime) -> Queued | None:
        for sequence, body, attempts, put_at, remote_id, not_before in self._database.rows(_OLDEST, (channel,)):
            if not_before is None or not_before <= now:
                return Queued(sequence, channel, _NOTIFICATION.validate_json(body), attempts, put_at, remote_id)
        return None

    def trying(self, sequence: int) -> None:
        sql = "UPDATE shopkart_notifications SET attempts = attempts + 1 WHERE sequence = %s"
        self._database.write(lambda connection: connection.execute(sql, (sequence,)))

    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        def settle(connection: Connection) -> None:
            sql = "UPDATE shopkart_notifications SET settled_at = %s, reason = '' WHERE sequence = %s"
            connection.execute(sql, (now, sequence))
            if remote_id:
                connection.execute(_SHOWN, (remote_id, sequence))

        self._database.write(settle)

    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        sql = "UPDATE shopkart_notifications SET not_before = %s, reason = %s WHERE sequence = %s"
        self._database.write(lambda connection: connection.execute(sql, (until, reason, sequence)))

    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        sql = "UPDATE shopkart_notifications SET settled_at = %s, reason = %s, given_up = true WHERE sequence = %s"
        self._database.write(lambda connection: connection.execute(sql, (now, reason, sequence)))

    def take_turn(self, channel: str, holder: str, until: datetime, now: datetime) -> bool:
        return take_turn(self._database, _sender(channel), holder, until, now)

    def end_turn(self, channel: str, holder: str) -> None:
        end_turn(self._database, _sender(channel), holder)

    def untold(self, limit: int = 100) -> tuple[Untold, ...]:
        rows = self._database.rows(_UNTOLD, (limit,))
        return tuple(
            Untold(channel, _NOTIFICATION.validate_json(body), put_at, attempts, reason, given_up)
            for channel, body, put_at, attempts, reason, given_up in rows
        )

    def forget(self, settled_before: datetime) -> int:
        def forget(connection: Connection) -> int:
            sql = "DELETE FROM shopkart_notifications WHERE settled_at < %s"
            gone = connection.execute(sql, (settled_before,)).rowcount
            connection.execute(_FORGET_SHOWN)
            return gone

        return self._database.write(forget, _TURN)


def _sender(channel: str) -> str:
    return f"channel {channel}"
