"""The inbox in a PostgreSQL database, for several receivers on several machines.

A delivery is committed, and so on the server's disk, before anybody is told that it was received. Those who put take
turns, so the order of the numbers is the order in which deliveries become visible, and nobody who reads in that order
overlooks one that was begun earlier and committed later. That a delivery is done may be lost by the server's crash;
then it is done again.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.inbox import LED_TO_NOTHING, MOST_PENDING_BYTES, Delivery, Inbox

_TABLE = "shopkart_deliveries"
_SCHEMA = """
CREATE TABLE shopkart_deliveries (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    body BYTEA NOT NULL,
    done_at TIMESTAMPTZ,
    outcome TEXT
);
CREATE INDEX shopkart_deliveries_pending ON shopkart_deliveries (sequence) WHERE done_at IS NULL;
"""
_PUT = """
INSERT INTO shopkart_deliveries AS known (id, event, received_at, body) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET event = excluded.event, received_at = excluded.received_at, body = excluded.body,
    done_at = NULL, outcome = NULL
WHERE known.done_at IS NOT NULL AND known.outcome LIKE ANY (%s)
"""
_PENDING = """
WITH waiting AS (
    SELECT sequence, octet_length(body) AS size FROM shopkart_deliveries
    WHERE done_at IS NULL AND sequence > coalesce((SELECT sequence FROM shopkart_deliveries WHERE id = %s), 0)
    ORDER BY sequence LIMIT %s
), counted AS (SELECT sequence, size, sum(size) OVER (ORDER BY sequence) AS total FROM waiting)
SELECT id, event, received_at, body FROM counted JOIN shopkart_deliveries USING (sequence)
WHERE total <= %s OR total = size ORDER BY sequence
"""
_DROP_BODIES = """
UPDATE shopkart_deliveries SET body = ''
WHERE done_at < %s AND octet_length(body) > 0
"""
_PATTERNS = [f"{word}%" for word in LED_TO_NOTHING]


class PostgresInbox(Inbox):
    """A durable queue in one table, which is made when it is missing.

    Raises:
        PipelineError: the address can't be read.
    """

    def __init__(self, address: str, patience_seconds: float = 0.0) -> None:
        self._database = Database(address, _TABLE, _SCHEMA, setting="SHOPKART_INBOX", patience_seconds=patience_seconds)

    def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
        def put(connection: Connection) -> tuple[bool, ...]:
            connection.execute("SET LOCAL synchronous_commit = on")
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (_TABLE,))
            return tuple(_put(connection, delivery) for delivery in deliveries)

        return self._database.run(put)

    def pending(self, limit: int = 100, after: str | None = None) -> tuple[Delivery, ...]:
        found = self._database.run(
            lambda connection: connection.execute(_PENDING, (after, limit, MOST_PENDING_BYTES)).fetchall()
        )
        return tuple(Delivery(identity, event, at, bytes(body)) for identity, event, at, body in found)

    def waiting(self) -> int:
        sql = "SELECT count(*) FROM shopkart_deliveries WHERE done_at IS NULL"
        [(count,)] = self._database.run(lambda connection: connection.execute(sql).fetchall())
        return count

    def done(self, delivery_id: str, outcome: str, now: datetime) -> None:
        def done(connection: Connection) -> None:
            connection.execute("SET LOCAL synchronous_commit = off")
            connection.execute(
                "UPDATE shopkart_deliveries SET done_at = %s, outcome = %s WHERE id = %s AND done_at IS NULL",
                (now, plain(outcome), delivery_id),
            )

        self._database.run(done)

    def known(self, ids: Collection[str]) -> frozenset[str]:
        found = self._database.run(
            lambda connection: connection.execute(
                "SELECT id FROM shopkart_deliveries WHERE id = ANY(%s)", ([*ids],)
            ).fetchall()
        )
        return frozenset(row[0] for row in found)

    def find(self, delivery_id: str) -> Delivery | None:
        found = self._database.run(
            lambda connection: connection.execute(
                "SELECT id, event, received_at, body FROM shopkart_deliveries WHERE id = %s", (delivery_id,)
            ).fetchone()
        )
        return None if found is None else Delivery(found[0], found[1], found[2], bytes(found[3]))

    def drop_bodies(self, done_before: datetime) -> int:
        return self._database.run(lambda connection: connection.execute(_DROP_BODIES, (done_before,)).rowcount)


def _put(connection: Connection, delivery: Delivery) -> bool:
    values = (delivery.id, delivery.event, delivery.received_at, delivery.body, _PATTERNS)
    return connection.execute(_PUT, values).rowcount == 1
