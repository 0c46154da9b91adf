"""The outbox in a PostgreSQL database: every run puts, from whatever machine, and one sends."""

from collections.abc import Sequence
from datetime import datetime

from shopkart_pipeline.adapters._notice_documents import notice_document, read_notice
from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.adapters._sending_turns import end_turn, take_turn
from shopkart_pipeline.domain.notice import Notice
from shopkart_pipeline.ports.outbox import Outbox, Outgoing

_TURN = "shopkart_notices"
_SENDER = "outbox"
_ADD = "INSERT INTO shopkart_notices (about, kind, body, put_at) VALUES (%s, %s, %s, %s)"
_NEWEST = "SELECT kind, body FROM shopkart_notices WHERE about = %s ORDER BY sequence DESC LIMIT 1"
_PENDING = """
SELECT notices.sequence, kind, body, things.remote_id, (
    SELECT sum(attempts) FROM shopkart_notices AS tried
    WHERE tried.about = notices.about AND (tried.settled_at IS NULL OR tried.given_up)
) AS tries
FROM shopkart_notices AS notices LEFT JOIN shopkart_things AS things USING (about)
WHERE settled_at IS NULL AND (not_before IS NULL OR not_before <= %(now)s)
    AND sequence = (SELECT max(sequence) FROM shopkart_notices AS newest WHERE newest.about = notices.about)
    AND NOT EXISTS (SELECT 1 FROM shopkart_pauses WHERE until > %(now)s)
ORDER BY sequence LIMIT %(limit)s
"""
_SENT = """
UPDATE shopkart_notices SET settled_at = %s
WHERE about = %s AND sequence <= %s AND settled_at IS NULL
"""
_NAME = """
INSERT INTO shopkart_things VALUES (%s, %s) ON CONFLICT (about) DO UPDATE SET remote_id = excluded.remote_id
"""
_PAUSE = """
INSERT INTO shopkart_pauses VALUES (1, %s, %s)
ON CONFLICT (id) DO UPDATE SET until = excluded.until, reason = excluded.reason
"""


class PostgresOutbox(Outbox):
    """A durable queue in a database with the tables of `_store_tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, notices: Sequence[Notice], now: datetime) -> None:
        def put(connection: Connection) -> None:
            for notice in notices:
                kind, body = notice_document(notice)
                if connection.execute(_NEWEST, (notice.about,)).fetchone() != (kind, body):
                    connection.execute(_ADD, (notice.about, kind, body, now))

        self._database.write(put, _TURN)

    def pending(self, now: datetime, limit: int = 50) -> tuple[Outgoing, ...]:
        rows = self._database.rows(_PENDING, {"now": now, "limit": limit})
        return tuple(
            Outgoing(sequence, read_notice(kind, body), int(tries), remote_id)
            for sequence, kind, body, remote_id, tries in rows
        )

    def waiting(self) -> int:
        [(count,)] = self._database.rows("SELECT count(*) FROM shopkart_notices WHERE settled_at IS NULL")
        return count

    def trying(self, sequence: int) -> None:
        sql = "UPDATE shopkart_notices SET attempts = attempts + 1 WHERE sequence = %s"
        self._database.write(lambda connection: connection.execute(sql, (sequence,)))

    def sent(self, sequence: int, remote_id: str, now: datetime) -> None:
        def settle(connection: Connection) -> None:
            sql = "SELECT about FROM shopkart_notices WHERE sequence = %s"
            [(about,)] = connection.execute(sql, (sequence,)).fetchall()
            connection.execute(_SENT, (now, about, sequence))
            connection.execute(_NAME, (about, remote_id))

        self._database.write(settle, _TURN)

    def postpone(self, sequence: int, until: datetime, reason: str) -> None:
        sql = "UPDATE shopkart_notices SET not_before = %s, reason = %s WHERE sequence = %s"
        self._database.write(lambda connection: connection.execute(sql, (until, reason, sequence)))

    def give_up(self, sequence: int, reason: str, now: datetime) -> None:
        sql = "UPDATE shopkart_notices SET settled_at = %s, reason = %s, given_up = true WHERE sequence = %s"
        self._database.write(lambda connection: connection.execute(sql, (now, reason, sequence)))

    def pause(self, until: datetime, reason: str) -> None:
        self._database.write(lambda connection: connection.execute(_PAUSE, (until, reason)))

    def take_turn(self, holder: str, until: datetime, now: datetime) -> bool:
        return take_turn(self._database, _SENDER, holder, until, now)

    def end_turn(self, holder: str) -> None:
        end_turn(self._database, _SENDER, holder)

    def forget(self, settled_before: datetime) -> int:
        def forget(connection: Connection) -> int:
            sql = "DELETE FROM shopkart_notices WHERE settled_at < %s"
            gone = connection.execute(sql, (settled_before,)).rowcount
            connection.execute("DELETE FROM shopkart_things WHERE about NOT IN (SELECT about FROM shopkart_notices)")
            return gone

        return self._database.write(forget, _TURN)

    def abandoned(self, limit: int = 100) -> tuple[tuple[Notice, str], ...]:
        sql = "SELECT kind, body, reason FROM shopkart_notices WHERE given_up ORDER BY sequence DESC LIMIT %s"
        rows = self._database.rows(sql, (limit,))
        return tuple((read_notice(kind, body), reason) for kind, body, reason in rows)
