"""From the stores of a home to those in PostgreSQL, for whoever grows from one machine to several: all, or nothing.

Reports come first, as what names them has to find them; one that is there already is not kept twice, so a copy that
failed is made once more from its beginning. Everything else is one transaction into tables that are empty: two
histories are never mixed. Positions stay as they were, so who reads on reads on. Turns and pauses are not taken along,
nor is the index of components, which is made anew from the bills. The home is only read; nothing may write to it
meanwhile.
"""

import json
import sqlite3
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters._incident_documents import DOCUMENT
from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.adapters._report_blobs import FolderReports, ReportBlobs
from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.adapters.postgres_incidents import add_attachment, write_incident
from shopkart_pipeline.adapters.sqlite_evidence import reports_folder
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable

_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class _Table:
    """A table of a file, and what becomes its columns in PostgreSQL where they are not the same."""

    name: str
    columns: tuple[str, ...]
    made: Mapping[str, str]
    """SQL of SQLite, by column."""

    @property
    def selected(self) -> str:
        columns = ", ".join(self.made.get(column, column) for column in self.columns)
        return f"SELECT {columns} FROM {self.name}"  # noqa: S608 # Words of our own.

    @property
    def inserted(self) -> str:
        values = ", ".join(["%s"] * len(self.columns))
        return f"INSERT INTO shopkart_{self.name} ({', '.join(self.columns)}) VALUES ({values})"  # noqa: S608


def _table(name: str, columns: str, **made: str) -> _Table:
    return _Table(name, tuple(columns.split()), made)


_QUEUED = "sequence body put_at attempts not_before settled_at given_up reason"
_FILES = {
    "evidence/evidence.db": (
        _table("releases", "sequence service key document"),
        _table("attempts", "sequence service key stage run_id started_at record"),
        _table("finished", "sequence attempt"),
        _table("reusable", "service stage input_key key run_id"),
        _table("notes", "sequence service key kind message document", message="message_of(document)"),
    ),
    "outbox.db": (
        _table(
            "notices",
            f"{_QUEUED} about kind",
            not_before="CASE WHEN not_before NOT IN ('', 'never') THEN not_before END",
            given_up="iif(not_before = 'never', 'true', 'false')",
            reason="coalesce(problem, '')",
        ),
        _table("things", "about remote_id"),
    ),
    "notifications.db": (
        _table(
            "notifications",
            f"{_QUEUED} channel key incident_id",
            not_before="nullif(not_before, '')",
            given_up="iif(given_up, 'true', 'false')",
        ),
        _table("shown", "channel incident_id remote_id"),
    ),
}
_FILLED = [table.name for tables in _FILES.values() for table in tables] + ["incidents", "incident_files"]


def copy_stores(home: Path, database: Database, reports: ReportBlobs) -> Mapping[str, int]:
    """Copy everything; returns how much of what.

    Args:
        home: the pipeline's, which is read.
        database: with the tables of `_store_tables`, empty.
        reports: where reports are kept from now on.

    Raises:
        Refused: there is something in the database already.
        ToolUnavailable: the home or the database can't be used.
        PipelineError: something in the home is damaged; nothing but reports was copied then.
    """
    database.run(_check_empty)
    copied = {"reports": _copy_reports(home, reports)}
    return copied | database.write(lambda connection: _copy_rest(home, connection), "shopkart_stores_copy")


def _check_empty(connection: Connection) -> None:
    looks = {name: f"SELECT 1 FROM shopkart_{name} LIMIT 1" for name in _FILLED}  # noqa: S608
    filled = [name for name, look in looks.items() if connection.execute(look.encode()).fetchone()]
    if filled:
        raise Refused(
            f"The database has {', '.join(filled)} already, and two histories can't be made one.",
            "Copy into a database of its own, before anything works with it.",
        )


def _copy_reports(home: Path, reports: ReportBlobs) -> int:
    folder = reports_folder(home / "evidence")
    before, count = FolderReports(folder), 0
    for path in sorted(folder.glob("??/*")):
        reports.put(before.get(path.name))
        count += 1
    return count


def _copy_rest(home: Path, connection: Connection) -> dict[str, int]:
    connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
    connection.execute(f"LOCK TABLE {', '.join(f'shopkart_{name}' for name in _FILLED)}".encode())
    _check_empty(connection)
    copied = {table.name: 0 for tables in _FILES.values() for table in tables}
    for file, tables in _FILES.items():
        if not (home / file).exists():
            continue
        with _reading(home / file) as source:
            for table in tables:
                copied[table.name] = _copy_table(source, connection, table)
    return copied | {"incidents": _copy_incidents(home / "incidents", connection)}


def _copy_table(source: sqlite3.Connection, connection: Connection, table: _Table) -> int:
    count = 0
    with connection.cursor() as cursor:
        for rows in _in_parts(source.execute(table.selected)):
            cursor.executemany(table.inserted.encode(), rows)
            count += len(rows)
    if "sequence" in table.columns:
        place = f"pg_get_serial_sequence('shopkart_{table.name}', 'sequence')"
        connection.execute(f"SELECT setval({place}, max(sequence)) FROM shopkart_{table.name}".encode())  # noqa: S608
    return count


def _copy_incidents(folder: Path, connection: Connection) -> int:
    store = DiskIncidentStore(folder)
    ids = sorted(path.parent.name for path in folder.glob(f"*/{DOCUMENT}"))
    for incident_id in ids:
        # One by one: a list would leave out what can't be read.
        write_incident(connection, store.get(incident_id))
        for name in store.attached(incident_id):
            add_attachment(connection, incident_id, name, store.attachment(incident_id, name))
    return len(ids)


def _in_parts(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield rows


def _message_of(document: str) -> str:
    return json.loads(document)["message"]


@contextmanager
def _reading(path: Path) -> Generator[sqlite3.Connection]:
    """A file as it is at one moment."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            # SQLite's own function ends at a NUL.
            connection.create_function("message_of", 1, _message_of)
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise ToolUnavailable(f"{path} can't be read: {error}.", "Is it whole, and of this version?") from error
