"""The evidence store on one machine: records in a SQLite file, raw reports under their digest (`_report_blobs`)."""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._evidence_documents import document_of, read_document
from shopkart_pipeline.adapters._evidence_reports import ReportKeepingStore
from shopkart_pipeline.adapters._report_blobs import FolderReports, ReportBlobs
from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import Note, StageStart

_SCHEMA = """
CREATE TABLE IF NOT EXISTS releases (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (service, key)
);
CREATE INDEX IF NOT EXISTS releases_by_service ON releases (service, sequence);
CREATE TABLE IF NOT EXISTS attempts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    stage TEXT NOT NULL,
    run_id TEXT NOT NULL,
    started_at TEXT NOT NULL,
    record TEXT
);
CREATE INDEX IF NOT EXISTS attempts_by_release ON attempts (service, key, stage, sequence);
CREATE TABLE IF NOT EXISTS finished (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    attempt INTEGER NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS reusable (
    service TEXT NOT NULL,
    stage TEXT NOT NULL,
    input_key TEXT NOT NULL,
    key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    PRIMARY KEY (service, stage, input_key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_by_release ON notes (service, key, sequence);
CREATE INDEX IF NOT EXISTS notes_by_kind ON notes (kind, sequence);
CREATE INDEX IF NOT EXISTS notes_by_kind_and_service ON notes (kind, service, sequence);
"""
_NEWEST = "SELECT document FROM releases ORDER BY sequence DESC LIMIT :limit"
_NEWEST_OF_SERVICE = "SELECT document FROM releases WHERE service = :service ORDER BY sequence DESC LIMIT :limit"


def reports_folder(root: Path) -> Path:
    """Where the contents of a store are on disk."""
    return root / "blobs" / "sha256"


class SqliteEvidenceStore(ReportKeepingStore):
    """Records below the folder `root`, which is made when it is missing.

    Args:
        root: the folder.
        reports: keeps contents; None: a folder below `root`.
    """

    def __init__(self, root: Path, reports: ReportBlobs | None = None) -> None:
        self._database = Database(root / "evidence.db", _SCHEMA)
        super().__init__(reports or FolderReports(reports_folder(root)))

    def add_release(self, release: Release) -> bool:
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO releases (service, key, document) VALUES (?, ?, ?) ON CONFLICT (service, key) DO NOTHING",
                (release.service, release.key, document_of(release)),
            )
            return cursor.rowcount == 1

    def release(self, service: str, key: str) -> Release:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT document FROM releases WHERE service = ? AND key = ?", (service, key)
            ).fetchone()
        if row is None:
            raise NotFound(f"There is no release {key} of {service}.", "See `shopkart releases` for those there are.")
        return read_document(Release, row["document"])

    def releases(self, service: str | None = None, limit: int = 100) -> tuple[Release, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                _NEWEST if service is None else _NEWEST_OF_SERVICE, {"service": service, "limit": limit}
            ).fetchall()
        return tuple(read_document(Release, row["document"]) for row in rows)

    def release_names(self) -> tuple[tuple[str, str], ...]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT service, key FROM releases ORDER BY sequence DESC").fetchall()
        return tuple((row["service"], row["key"]) for row in rows)

    def added_after(self, position: int, limit: int) -> tuple[tuple[int, Release], ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT sequence, document FROM releases WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (position, limit),
            ).fetchall()
        return tuple((row["sequence"], read_document(Release, row["document"])) for row in rows)

    def finished_after(self, position: int, limit: int) -> tuple[tuple[int, StageRecord], ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT finished.sequence, record FROM finished JOIN attempts ON attempts.sequence = attempt"
                " WHERE finished.sequence > ? ORDER BY finished.sequence LIMIT ?",
                (position, limit),
            ).fetchall()
        return tuple((row["sequence"], read_document(StageRecord, row["record"])) for row in rows)

    def begin(self, start: StageStart) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO attempts (service, key, stage, run_id, started_at) VALUES (?, ?, ?, ?, ?)",
                (start.service, start.release_key, start.stage, start.run_id, start.started_at.isoformat()),
            )

    def finish(self, record: StageRecord) -> None:
        attempt, document = (record.service, record.release_key, record.stage, record.run_id), document_of(record)
        with self._database.transaction() as connection:
            begun = connection.execute(
                "SELECT max(sequence) FROM attempts WHERE service = ? AND key = ? AND stage = ? AND run_id = ?"
                " AND record IS NULL",
                attempt,
            ).fetchone()[0]
            if begun is None:
                begun = connection.execute(
                    "INSERT INTO attempts (service, key, stage, run_id, started_at, record) VALUES (?, ?, ?, ?, ?, ?)",
                    (*attempt, record.started_at.isoformat(), document),
                ).lastrowid
            else:
                connection.execute("UPDATE attempts SET record = ? WHERE sequence = ?", (document, begun))
            connection.execute("INSERT INTO finished (attempt) VALUES (?)", (begun,))
            if record.reused is None and isinstance(record.result, Evidence):
                connection.executemany(
                    "INSERT OR REPLACE INTO reusable (service, stage, input_key, run_id, key) VALUES (?, ?, ?, ?, ?)",
                    [
                        (record.service, record.stage, key, record.run_id, record.release_key)
                        for key in record.input_keys
                    ],
                )

    def latest(self, service: str, key: str) -> Mapping[str, StageRecord]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT stage, record FROM attempts WHERE service = ? AND key = ? AND record IS NOT NULL"
                " ORDER BY sequence",
                (service, key),
            ).fetchall()
        newest: dict[str, str] = {row["stage"]: row["record"] for row in rows}
        return {stage: read_document(StageRecord, record) for stage, record in newest.items()}

    def reusable(self, service: str, stage: str, input_key: str) -> StageRecord | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT attempts.record FROM reusable JOIN attempts USING (service, key, stage, run_id)"
                " WHERE reusable.service = ? AND reusable.stage = ? AND reusable.input_key = ?"
                " AND attempts.record IS NOT NULL ORDER BY attempts.sequence DESC LIMIT 1",
                (service, stage, input_key),
            ).fetchone()
        return None if row is None else read_document(StageRecord, row["record"])

    def running(self, service: str, key: str) -> tuple[StageStart, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM attempts AS attempt WHERE service = ? AND key = ? AND record IS NULL AND sequence ="
                " (SELECT max(sequence) FROM attempts WHERE service = attempt.service AND key = attempt.key"
                " AND stage = attempt.stage) ORDER BY sequence",
                (service, key),
            ).fetchall()
        return tuple(_start(row) for row in rows)

    def note(self, note: Note) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO notes (service, key, kind, document) VALUES (?, ?, ?, ?)",
                (note.service, note.release_key, note.kind, document_of(note)),
            )

    def note_once(self, *notes: Note) -> tuple[Note, ...]:
        with self._database.transaction() as connection:
            return tuple(note for note in notes if _insert_once(connection, note))

    def notes(self, service: str, key: str, kind: str | None = None) -> tuple[Note, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT document FROM notes WHERE service = ?1 AND key = ?2 AND (?3 IS NULL OR kind = ?3)"
                " ORDER BY sequence",
                (service, key, kind),
            ).fetchall()
        return tuple(read_document(Note, row["document"]) for row in rows)

    def newest_notes(self, kind: str, service: str | None = None, limit: int = 100) -> tuple[Note, ...]:
        everywhere = "SELECT document FROM notes WHERE kind = ?1 ORDER BY sequence DESC LIMIT ?3"
        of_one = "SELECT document FROM notes WHERE kind = ?1 AND service = ?2 ORDER BY sequence DESC LIMIT ?3"
        with self._database.reading() as connection:
            # One statement for both would use no index for the service.
            sql = everywhere if service is None else of_one
            rows = connection.execute(sql, (kind, service, limit)).fetchall()
        return tuple(read_document(Note, row["document"]) for row in rows)


def _insert_once(connection: sqlite3.Connection, note: Note) -> bool:
    cursor = connection.execute(
        "INSERT INTO notes (service, key, kind, document) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM notes"
        " WHERE service = ?1 AND key = ?2 AND kind = ?3"
        " AND json_extract(document, '$.message') = json_extract(?4, '$.message'))",
        (note.service, note.release_key, note.kind, document_of(note)),
    )
    return cursor.rowcount == 1


def _start(row: sqlite3.Row) -> StageStart:
    started_at = datetime.fromisoformat(row["started_at"])
    return StageStart(row["service"], row["key"], row["stage"], row["run_id"], started_at)
