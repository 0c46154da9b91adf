"""The ledger in a SQLite file: each entry's hash covers the entry before it.

`BEGIN IMMEDIATE` orders concurrent writers, so the chain never forks. Removing the newest entries leaves a valid
chain: finding that needs a head that was signed elsewhere, which this adapter does not do.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.ledger import DELIVERY, Act, Entry, Ledger, is_of_delivery

_SCHEMA = """
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
"""
_END = 2**62
_AT_ONCE = 20
GENESIS = "0" * 64
_ACT = TypeAdapter(Act)


def hash_of(sequence: int, document: str, previous_hash: str) -> str:
    """SHA-256 over an entry's number, its canonical JSON and the hash of the entry before."""
    return hashlib.sha256(f"{sequence}\n{previous_hash}\n{document}".encode()).hexdigest()


class SqliteLedger(Ledger):
    """An append-only chain in one file; `path` is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def append(self, act: Act) -> Entry:
        return self.append_all((act,))[0]

    def append_all(self, acts: Iterable[Act]) -> tuple[Entry, ...]:
        """Add acts in one transaction: all of them or none."""
        with self._database.transaction() as connection:
            return tuple(_append(connection, act, _dump(act)) for act in acts)

    def append_once(self, act: Act) -> Entry:
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM entries WHERE service = ? AND release_key = ? ORDER BY sequence",
                (act.service, act.release_key),
            ).fetchall()
            for entry in map(_entry, rows):
                if is_of_delivery(entry.act, act.verb, act.body[DELIVERY]):
                    return entry
            return _append(connection, act, _dump(act))

    def entries(self, service: str | None = None, release_key: str | None = None) -> tuple[Entry, ...]:
        of_release = "SELECT * FROM entries WHERE service = ?1 AND release_key = ?2 ORDER BY sequence"
        of_any = (
            "SELECT * FROM entries WHERE (?1 IS NULL OR service = ?1) AND (?2 IS NULL OR release_key = ?2)"
            " ORDER BY sequence"
        )
        # Rollouts ask at every tick: one statement for all would read the whole ledger, for want of an index.
        sql = of_any if service is None or release_key is None else of_release
        with self._database.reading() as connection:
            rows = connection.execute(sql, (service, release_key)).fetchall()
        return tuple(_entry(row) for row in rows)

    def after(self, sequence: int, limit: int) -> tuple[Entry, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM entries WHERE sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit)
            ).fetchall()
        return tuple(_entry(row) for row in rows)

    def newest_first(self, service: str) -> Iterator[Entry]:
        before = _END
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    "SELECT * FROM entries WHERE service = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?",
                    (service, before, _AT_ONCE),
                ).fetchall()
            yield from map(_entry, rows)
            if len(rows) < _AT_ONCE:
                return
            before = rows[-1]["sequence"]

    def verify(self) -> str | None:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM entries ORDER BY sequence").fetchall()
        previous = GENESIS
        for expected, row in enumerate(rows, start=1):
            if row["sequence"] != expected:
                return f"entry {expected} is missing: entry {row['sequence']} stands in its place"
            if row["previous_hash"] != previous:
                return f"entry {expected} does not follow entry {expected - 1}"
            if row["entry_hash"] != hash_of(expected, row["document"], previous):
                return f"entry {expected} was changed"
            act = _load(row["document"])
            if act is None:
                return f"entry {expected} can't be read"
            if (act.service, act.release_key) != (row["service"], row["release_key"]):
                return f"entry {expected} is filed under another release"
            previous = row["entry_hash"]
        return None


def _append(connection: sqlite3.Connection, act: Act, document: str) -> Entry:
    last = connection.execute("SELECT sequence, entry_hash FROM entries ORDER BY sequence DESC LIMIT 1").fetchone()
    sequence, previous = (last["sequence"] + 1, last["entry_hash"]) if last else (1, GENESIS)
    entry_hash = hash_of(sequence, document, previous)
    connection.execute(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)",
        (sequence, act.service, act.release_key, document, previous, entry_hash),
    )
    return Entry(sequence, act, previous, entry_hash)


def _dump(act: Act) -> str:
    return canonical_json(act).decode()


def _load(document: str) -> Act | None:
    try:
        return _ACT.validate_json(document)
    except ValidationError:
        return None


def _entry(row: sqlite3.Row) -> Entry:
    act = _load(row["document"])
    if act is None:
        raise PipelineError(f"Entry {row['sequence']} of the ledger can't be read.", "See `shopkart ledger verify`.")
    return Entry(row["sequence"], act, row["previous_hash"], row["entry_hash"])
