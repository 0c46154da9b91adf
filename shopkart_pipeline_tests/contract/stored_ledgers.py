"""Ledgers whose stores an attacker has opened: all rows can be read, and written back as he likes."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from shopkart_pipeline.adapters.postgres_ledger import PostgresLedger
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.ports.ledger import Ledger

Row = tuple[Any, ...]
Rows = Sequence[Row]


class OpenedStore(ABC):
    """A ledger and its tables."""

    ledger: Ledger
    verb_is_filed: bool
    """Whether a row has a column for the verb."""

    @abstractmethod
    def read(self) -> tuple[list[Row], list[Row]]:
        """The rows of entries and of heads, by their numbers."""

    @abstractmethod
    def write(self, entries: Rows, heads: Rows) -> bool:
        """Have these rows and no others; False where the database itself does not take them."""


class OpenedSqlite(OpenedStore):
    """A file that anybody may write to."""

    verb_is_filed = False

    def __init__(self, path: Path) -> None:
        self.ledger = SqliteLedger(path)
        self._path = path

    def read(self) -> tuple[list[Row], list[Row]]:
        with closing(sqlite3.connect(self._path)) as connection:
            entries = connection.execute("SELECT * FROM entries ORDER BY sequence").fetchall()
            return entries, connection.execute("SELECT * FROM heads ORDER BY sequence").fetchall()

    def write(self, entries: Rows, heads: Rows) -> bool:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            try:
                with connection:
                    connection.execute("DELETE FROM entries")
                    connection.execute("DELETE FROM heads")
                    connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", entries)
                    connection.executemany("INSERT INTO heads VALUES (?, ?, ?)", heads)
            except (sqlite3.Error, OverflowError, UnicodeError):
                return False
        return True


class OpenedPostgres(OpenedStore):
    """A database whose owner has taken the triggers away."""

    verb_is_filed = True

    def __init__(self, address: str) -> None:
        self.ledger = PostgresLedger(address)
        self._connection = psycopg.connect(address, autocommit=True)

    def open(self) -> None:
        """To be called once the tables are there."""
        for table in ("shopkart_ledger", "shopkart_ledger_heads"):
            self._connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only".encode())

    def close(self) -> None:
        self._connection.close()

    def read(self) -> tuple[list[Row], list[Row]]:
        entries = self._connection.execute("SELECT * FROM shopkart_ledger ORDER BY sequence").fetchall()
        return entries, self._connection.execute("SELECT * FROM shopkart_ledger_heads ORDER BY sequence").fetchall()

    def write(self, entries: Rows, heads: Rows) -> bool:
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute("DELETE FROM shopkart_ledger")
                cursor.execute("DELETE FROM shopkart_ledger_heads")
                cursor.executemany("INSERT INTO shopkart_ledger VALUES (%s, %s, %s, %s, %s, %s, %s)", entries)
                cursor.executemany("INSERT INTO shopkart_ledger_heads VALUES (%s, %s, %s)", heads)
        except psycopg.Error:
            return False
        return True
