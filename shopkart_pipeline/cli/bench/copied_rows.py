"""A history for a store, by copying the rows of one release with other words in every text.

Rows are copied by SQLite itself, because writing ten thousand releases one by one would measure the disk.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from shopkart_pipeline.domain.release import Release, release_key
from shopkart_pipeline.engine.launch import run_id_of


@dataclass(frozen=True)
class Copy:
    """A release that is made, and the words by which it differs from the original."""

    number: int
    key: str
    words: Mapping[str, str]


def copies_of(release: Release, run_id: str, first: int, count: int) -> Iterator[Copy]:
    """Copies `first` to `count`, their commits a minute apart."""
    for number in range(first, count):
        sha = hashlib.sha256(f"{release.sha} {number}".encode()).hexdigest()[:40]
        key = release_key(sha, release.received_at - timedelta(minutes=number))
        copied_run = run_id_of(f"copy {number} of {release.name}")
        yield Copy(number, key, {release.key: key, release.sha: sha, run_id: copied_run})


def copy_rows(path: Path, tables: Mapping[str, str], copies: Sequence[Copy]) -> None:
    """Copy the rows of each table that a condition selects, once for each copy, with other words in every text.

    Numbers that count events are moved along, so that what refers to an event refers to the copied one.
    """
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        for table, condition in tables.items():
            found = connection.execute(f"SELECT * FROM {table} WHERE {condition}")  # noqa: S608 # This module's own.
            names = [column[0] for column in found.description]
            rows = found.fetchall()
            places = ", ".join("?" * len(names))
            connection.executemany(
                f"INSERT OR IGNORE INTO {table} VALUES ({places})",  # noqa: S608 # This module's own.
                (_copied(names, row, copy) for copy in copies for row in rows),
            )


def _copied(names: Sequence[str], row: Sequence[object], copy: Copy) -> list[object]:
    copied: list[object] = []
    for name, value in zip(names, row, strict=True):
        if name in ("sequence", "id"):
            value = _moved(value, copy) if "event" in names else None
        elif name.endswith(("storage_id", "event_id")):
            value = _moved(value, copy)
        elif isinstance(value, str):
            for word, other in copy.words.items():
                value = value.replace(word, other)
        copied.append(value)
    return copied


_STRIDE = 100_000


def _moved(value: object, copy: Copy) -> object:
    return value + (copy.number + 1) * _STRIDE if isinstance(value, int) else value
