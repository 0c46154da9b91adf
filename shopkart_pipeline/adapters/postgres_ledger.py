"""The ledger in a PostgreSQL database, for a pipeline on several machines.

An entry is committed, and so on the server's disk, before anybody is told of it. Writers take turns by an advisory
lock, and no two entries can follow the same one, so the chain never forks, whoever writes. Triggers refuse to change
entries or heads or to take them away; the tables' owner could drop those, so whoever wants more has another role own
them (`docs/ledger.md`) and has the heads anchored elsewhere.

A connection that breaks while it commits leaves open whether it did; the entry's hash tells, so nothing is added twice.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple
from typing import Any

from shopkart_pipeline.adapters._acts import chained, entries_with, entry_of
from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.hash_chain import SignedHead, StoredEntry
from shopkart_pipeline.ports.ledger import DELIVERY, Act, Entry, Ledger, is_of_delivery

_TABLE = "shopkart_ledger"
_SCHEMA = """
CREATE TABLE shopkart_ledger (
    sequence BIGINT PRIMARY KEY CHECK (sequence > 0),
    service TEXT NOT NULL,
    release_key TEXT NOT NULL,
    verb TEXT NOT NULL,
    document TEXT NOT NULL,
    previous_hash TEXT NOT NULL UNIQUE,
    entry_hash TEXT NOT NULL UNIQUE
);
CREATE INDEX shopkart_ledger_by_release ON shopkart_ledger (service, release_key, sequence);
CREATE INDEX shopkart_ledger_by_service ON shopkart_ledger (service, sequence);
CREATE INDEX shopkart_ledger_by_verb ON shopkart_ledger (service, verb, sequence);
CREATE TABLE shopkart_ledger_heads (
    sequence BIGINT PRIMARY KEY CHECK (sequence > 0),
    entry_hash TEXT NOT NULL,
    envelope BYTEA NOT NULL
);
CREATE FUNCTION shopkart_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only: % is refused', TG_OP; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON shopkart_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION shopkart_ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON shopkart_ledger_heads
    FOR EACH STATEMENT EXECUTE FUNCTION shopkart_ledger_is_append_only();
"""
_READ = "SELECT sequence, document, previous_hash, entry_hash FROM shopkart_ledger"
_STORED = (
    "SELECT sequence, service, release_key, verb, document, previous_hash, entry_hash FROM shopkart_ledger"
    " WHERE sequence > %s ORDER BY sequence LIMIT %s"
)
_NEWEST = (
    "SELECT sequence, service, release_key, verb, document, previous_hash, entry_hash FROM shopkart_ledger"
    " ORDER BY sequence DESC LIMIT 1"
)
_BEHIND = " WHERE sequence > %s ORDER BY sequence LIMIT %s"
_OF_SERVICE = " WHERE service = %s AND sequence <= %s ORDER BY sequence DESC LIMIT %s"
_HEADS = "SELECT sequence, entry_hash, envelope FROM shopkart_ledger_heads"
_INSERT = "INSERT INTO shopkart_ledger VALUES (%s, %s, %s, %s, %s, %s, %s)"
_INSERT_HEAD = "INSERT INTO shopkart_ledger_heads VALUES (%s, %s, %s)"
_BEGINNING, _END = -(2**63), 2**63 - 1
_AT_ONCE = 20
_COPIED_AT_ONCE = 500


class PostgresLedger(Ledger):
    """An append-only chain in two tables, which are made when they are missing.

    Raises:
        PipelineError: the address can't be read.
    """

    def __init__(self, address: str, patience_seconds: float = 0.0) -> None:
        self._database = Database(
            address, _TABLE, _SCHEMA, setting="SHOPKART_LEDGER", patience_seconds=patience_seconds
        )

    def append_all(self, acts: Sequence[Act]) -> tuple[Entry, ...]:
        if not acts:
            return ()
        tried = list[Entry]()

        def append(connection: Connection) -> tuple[Entry, ...]:
            _take_turn(connection)
            if tried and _has(connection, tried[-1]):
                return tuple(tried)
            tried[:] = _append(connection, acts)
            return tuple(tried)

        return self._database.run(append)

    def append_once(self, act: Act) -> Entry:
        def append(connection: Connection) -> Entry:
            _take_turn(connection)
            sql = f"{_READ} WHERE service = %s AND release_key = %s AND verb = %s ORDER BY sequence"
            for entry in _entries(connection, sql, (act.service, act.release_key, act.verb)):
                if is_of_delivery(entry.act, act.verb, act.body[DELIVERY]):
                    return entry
            return _append(connection, (act,))[0]

        return self._database.run(append)

    def entries(
        self, service: str | None = None, release_key: str | None = None, verbs: Collection[str] = ()
    ) -> tuple[Entry, ...]:
        named: dict[str, Any] = {"service = %s": service, "release_key = %s": release_key}
        named["verb = ANY(%s)"] = [*verbs] or None
        wanted = {term: value for term, value in named.items() if value is not None}
        sql = f"{_READ} WHERE {' AND '.join(wanted) or 'true'} ORDER BY sequence"
        return self._database.run(lambda connection: _entries(connection, sql, tuple(wanted.values())))

    def after(self, sequence: int, limit: int) -> tuple[Entry, ...]:
        return self._database.run(lambda connection: _entries(connection, _READ + _BEHIND, (sequence, limit)))

    def newest_first(self, service: str) -> Iterator[Entry]:
        newest = _END
        while True:
            wanted = (service, newest, _AT_ONCE)
            found = self._database.run(
                lambda connection, wanted=wanted: _entries(connection, _READ + _OF_SERVICE, wanted)
            )
            yield from found
            if len(found) < _AT_ONCE:
                return
            newest = found[-1].sequence - 1

    def stored(self, after: int | None, limit: int) -> tuple[StoredEntry, ...]:
        wanted = (_BEGINNING if after is None else after, limit)
        rows = self._database.run(lambda connection: connection.execute(_STORED, wanted).fetchall())
        return tuple(StoredEntry(*row) for row in rows)

    def newest(self) -> StoredEntry | None:
        rows = self._database.run(lambda connection: connection.execute(_NEWEST).fetchall())
        return StoredEntry(*rows[0]) if rows else None

    def heads(self, first: int = 0, limit: int | None = None) -> tuple[SignedHead, ...]:
        sql, wanted = f"{_HEADS} WHERE sequence >= %s ORDER BY sequence LIMIT %s", (first, limit)
        rows = self._database.run(lambda connection: connection.execute(sql.encode(), wanted).fetchall())
        return tuple(SignedHead(*row) for row in rows)

    def newest_head(self) -> SignedHead | None:
        return self._database.run(_newest_head)

    def add_head(self, head: SignedHead, after: int) -> bool:
        def add(connection: Connection) -> bool:
            _take_turn(connection)
            newest = _newest_head(connection)
            if newest == head:
                return True  # An earlier try has committed it before its connection broke.
            known = newest.sequence if newest else 0
            if known != after or head.sequence <= known:
                return False
            values = (head.sequence, head.entry_hash, head.envelope)
            connection.execute(_INSERT_HEAD, values)
            return True

        return self._database.run(add)


def take_over(ledger: Ledger, address: str) -> int:
    """Continue another ledger's chain in a database: entries and heads as they are. Returns how many entries.

    Raises:
        Refused: there are other entries already.
        PipelineError: the other ledger is not whole.
    """
    fault = ledger.verify()
    if fault is not None:
        raise PipelineError(f"The ledger is not whole: {fault}.", "See `shopkart ledger verify`; nothing was copied.")
    database = Database(address, _TABLE, _SCHEMA, setting="SHOPKART_LEDGER")

    def copy(connection: Connection) -> int:
        held, newest = connection.execute(_NEWEST).fetchone(), ledger.newest()
        if held is not None and newest is not None and StoredEntry(*held) == newest:
            return newest.sequence
        if held is not None:
            raise Refused("The database has a ledger already.", "A chain can't be continued behind another one.")
        count = 0
        with connection.cursor() as cursor:
            while entries := ledger.stored(count or None, _COPIED_AT_ONCE):
                cursor.executemany(_INSERT, map(astuple, entries))
                count = entries[-1].sequence
            cursor.executemany(_INSERT_HEAD, map(astuple, ledger.heads()))
        return count

    return database.write(copy, _TABLE)


def _take_turn(connection: Connection) -> None:
    connection.execute("SET LOCAL synchronous_commit = on")
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (_TABLE,))


def _append(connection: Connection, acts: Sequence[Act]) -> tuple[Entry, ...]:
    """Add acts behind the newest entry; the turn is ours."""
    last = connection.execute(
        "SELECT sequence, entry_hash FROM shopkart_ledger ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    stored = chained(acts, (last[0], last[1]) if last else None)
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, map(astuple, stored))
    return entries_with(acts, stored)


def _has(connection: Connection, entry: Entry) -> bool:
    sql = "SELECT 1 FROM shopkart_ledger WHERE entry_hash = %s"
    return connection.execute(sql, (entry.entry_hash,)).fetchone() is not None


def _entries(connection: Connection, sql: str, values: tuple[Any, ...]) -> tuple[Entry, ...]:
    return tuple(entry_of(*row) for row in connection.execute(sql.encode(), values))


def _newest_head(connection: Connection) -> SignedHead | None:
    row = connection.execute(f"{_HEADS} ORDER BY sequence DESC LIMIT 1".encode()).fetchone()
    return SignedHead(*row) if row else None
