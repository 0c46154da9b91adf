"""The ledger in a SQLite file: each entry's hash covers the entry before it.

`BEGIN IMMEDIATE` orders concurrent writers, so the chain never forks. Who can write to the file can make the whole
chain anew, or take its newest entries away: the signed heads beside it tell that, as far as they are still there, and
else those that are anchored elsewhere.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from shopkart_pipeline.adapters._acts import chained, entries_with, entry_of
from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.hash_chain import SignedHead, StoredEntry
from shopkart_pipeline.ports.ledger import DELIVERY, Act, Entry, Ledger, is_of_delivery

_VERB = "CASE WHEN typeof(document) = 'text' AND json_valid(document) THEN json_extract(document, '$.verb') END"
"""Of an entry; an index is made of it, so it has to be written the same everywhere."""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    release_key TEXT NOT NULL,
    document TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    entry_hash TEXT NOT NULL UNIQUE
);
CREATE INDEX IF NOT EXISTS entries_by_release ON entries (service, release_key);
CREATE INDEX IF NOT EXISTS entries_by_service ON entries (service, sequence);
CREATE INDEX IF NOT EXISTS entries_by_verb ON entries (service, {_VERB}, sequence);
CREATE TABLE IF NOT EXISTS heads (
    sequence INTEGER PRIMARY KEY,
    entry_hash TEXT NOT NULL,
    envelope BLOB NOT NULL
);
"""
_BEGINNING, _END = -(2**63), 2**63 - 1
_AT_ONCE = 20
_STORED = f"SELECT sequence, service, release_key, {_VERB}, document, previous_hash, entry_hash FROM entries"  # noqa: S608 # This module's own.


class SqliteLedger(Ledger):
    """An append-only chain in one file; `path` is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def append_all(self, acts: Sequence[Act]) -> tuple[Entry, ...]:
        if not acts:
            return ()
        with self._database.transaction() as connection:
            return _append(connection, acts)

    def append_once(self, act: Act) -> Entry:
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM entries WHERE service = ? AND release_key = ? ORDER BY sequence",
                (act.service, act.release_key),
            ).fetchall()
            for entry in map(_entry, rows):
                if is_of_delivery(entry.act, act.verb, act.body[DELIVERY]):
                    return entry
            return _append(connection, (act,))[0]

    def entries(
        self, service: str | None = None, release_key: str | None = None, verbs: Collection[str] = ()
    ) -> tuple[Entry, ...]:
        # Rollouts ask at every tick. A statement that leaves a condition open would read the whole ledger.
        named = {"service = ?": service, "release_key = ?": release_key}
        terms = [term for term, value in named.items() if value is not None]
        # Few entries are of one release: the plus keeps SQLite from looking through all of a verb's instead.
        verb = _VERB if release_key is None else f"+({_VERB})"
        terms += [f"{verb} IN ({', '.join('?' * len(verbs))})"] if verbs else []
        values = [*(value for value in named.values() if value is not None), *verbs]
        sql = f"SELECT * FROM entries WHERE {' AND '.join(terms) or 'true'} ORDER BY sequence"  # noqa: S608 # As above.
        with self._database.reading() as connection:
            rows = connection.execute(sql, values).fetchall()
        return tuple(map(_entry, rows))

    def after(self, sequence: int, limit: int) -> tuple[Entry, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM entries WHERE sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit)
            ).fetchall()
        return tuple(map(_entry, rows))

    def newest_first(self, service: str) -> Iterator[Entry]:
        newest = _END
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    "SELECT * FROM entries WHERE service = ? AND sequence <= ? ORDER BY sequence DESC LIMIT ?",
                    (service, newest, _AT_ONCE),
                ).fetchall()
            yield from map(_entry, rows)
            if len(rows) < _AT_ONCE:
                return
            newest = rows[-1]["sequence"] - 1

    def stored(self, after: int | None, limit: int) -> tuple[StoredEntry, ...]:
        first = _BEGINNING if after is None else after + 1
        return self._as_stored(f"{_STORED} WHERE sequence >= ? ORDER BY sequence LIMIT ?", first, limit)

    def newest(self) -> StoredEntry | None:
        return next(iter(self._as_stored(f"{_STORED} ORDER BY sequence DESC LIMIT 1")), None)

    def _as_stored(self, sql: str, *values: int) -> tuple[StoredEntry, ...]:
        with self._database.reading() as connection:
            connection.text_factory = _text
            try:
                return tuple(StoredEntry(*row) for row in connection.execute(sql, values))
            finally:
                connection.text_factory = str

    def heads(self, first: int = 0, limit: int | None = None) -> tuple[SignedHead, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM heads WHERE sequence >= ? ORDER BY sequence LIMIT ?",
                (first, -1 if limit is None else limit),
            ).fetchall()
        return tuple(map(_head, rows))

    def newest_head(self) -> SignedHead | None:
        with self._database.reading() as connection:
            return _newest_head(connection)

    def add_head(self, head: SignedHead, after: int) -> bool:
        with self._database.transaction() as connection:
            newest = _newest_head(connection)
            known = newest.sequence if newest else 0
            if known != after or head.sequence <= known:
                return False
            connection.execute("INSERT INTO heads VALUES (?, ?, ?)", (head.sequence, head.entry_hash, head.envelope))
            return True

    def index_fault(self) -> str | None:
        with self._database.reading() as connection:
            told = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        return None if told == "ok" else f"the file's own structure was changed: {told}"


def _append(connection: sqlite3.Connection, acts: Sequence[Act]) -> tuple[Entry, ...]:
    last = connection.execute("SELECT sequence, entry_hash FROM entries ORDER BY sequence DESC LIMIT 1").fetchone()
    stored = chained(acts, (last["sequence"], last["entry_hash"]) if last else None)
    connection.executemany(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)",
        [(it.sequence, it.service, it.release_key, it.document, it.previous_hash, it.entry_hash) for it in stored],
    )
    return entries_with(acts, stored)


def _entry(row: sqlite3.Row) -> Entry:
    return entry_of(row["sequence"], row["document"], row["previous_hash"], row["entry_hash"])


def _text(content: bytes) -> str:
    """What is stored as text, also where an attacker has put in what is none: that has to be found, not fail."""
    return content.decode(errors="surrogateescape")


def _newest_head(connection: sqlite3.Connection) -> SignedHead | None:
    row = connection.execute("SELECT * FROM heads ORDER BY sequence DESC LIMIT 1").fetchone()
    return _head(row) if row else None


def _head(row: sqlite3.Row) -> SignedHead:
    return SignedHead(row["sequence"], row["entry_hash"], row["envelope"])
