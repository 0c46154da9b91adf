"""The evidence store in a PostgreSQL database, for a pipeline whose runs are on several machines.

What others read on from a position (releases, results) is written by one at a time, so positions become visible in
their order, and nobody who reads in that order overlooks one that was begun earlier and committed later.
"""

from collections.abc import Mapping
from typing import Any

from shopkart_pipeline.adapters._evidence_documents import document_of, read_document
from shopkart_pipeline.adapters._evidence_reports import ReportKeepingStore
from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.adapters._report_blobs import ReportBlobs
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import Note, StageStart

_RELEASES, _RESULTS, _NOTES = "shopkart_releases", "shopkart_finished", "shopkart_notes"
"""Whose writers take turns."""
_NEWEST = "SELECT document FROM shopkart_releases ORDER BY sequence DESC LIMIT %s"
_NEWEST_OF_SERVICE = "SELECT document FROM shopkart_releases WHERE service = %s ORDER BY sequence DESC LIMIT %s"
_RUNNING = """
SELECT service, key, stage, run_id, started_at FROM shopkart_attempts AS attempt
WHERE service = %s AND key = %s AND record IS NULL AND sequence = (
    SELECT max(sequence) FROM shopkart_attempts
    WHERE service = attempt.service AND key = attempt.key AND stage = attempt.stage
) ORDER BY sequence
"""
_REUSABLE = """
SELECT attempts.record FROM shopkart_reusable AS reusable
JOIN shopkart_attempts AS attempts USING (service, key, stage, run_id)
WHERE reusable.service = %s AND reusable.stage = %s AND reusable.input_key = %s AND attempts.record IS NOT NULL
ORDER BY attempts.sequence DESC LIMIT 1
"""
_FINISHED = """
SELECT finished.sequence, record FROM shopkart_finished AS finished
JOIN shopkart_attempts AS attempts ON attempts.sequence = finished.attempt
WHERE finished.sequence > %s ORDER BY finished.sequence LIMIT %s
"""
_BEGUN = """
SELECT max(sequence) FROM shopkart_attempts
WHERE service = %s AND key = %s AND stage = %s AND run_id = %s AND record IS NULL
"""
_ADD_ATTEMPT = """
INSERT INTO shopkart_attempts (service, key, stage, run_id, started_at, record)
VALUES (%s, %s, %s, %s, %s, %s) RETURNING sequence
"""
_ADD_REUSABLE = """
INSERT INTO shopkart_reusable (service, stage, input_key, run_id, key) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (service, stage, input_key) DO UPDATE SET run_id = excluded.run_id, key = excluded.key
"""
_ADD_NOTE = "INSERT INTO shopkart_notes (service, key, kind, message, document) VALUES (%s, %s, %s, %s, %s)"
_HAS_NOTE = "SELECT 1 FROM shopkart_notes WHERE service = %s AND key = %s AND kind = %s AND message = %s LIMIT 1"


class PostgresEvidenceStore(ReportKeepingStore):
    """Records in a database.

    Args:
        database: with the tables of `_store_tables`.
        reports: keeps contents.
    """

    def __init__(self, database: Database, reports: ReportBlobs) -> None:
        super().__init__(reports)
        self._database = database

    def add_release(self, release: Release) -> bool:
        sql = (
            "INSERT INTO shopkart_releases (service, key, document) VALUES (%s, %s, %s)"
            " ON CONFLICT (service, key) DO NOTHING"
        )
        values = (release.service, release.key, document_of(release))
        return self._database.write(lambda connection: connection.execute(sql, values).rowcount == 1, _RELEASES)

    def release(self, service: str, key: str) -> Release:
        rows = self._database.rows(
            "SELECT document FROM shopkart_releases WHERE service = %s AND key = %s", (service, key)
        )
        if not rows:
            raise NotFound(f"There is no release {key} of {service}.", "See `shopkart releases` for those there are.")
        return read_document(Release, rows[0][0])

    def releases(self, service: str | None = None, limit: int = 100) -> tuple[Release, ...]:
        sql, values = (_NEWEST, (limit,)) if service is None else (_NEWEST_OF_SERVICE, (service, limit))
        return tuple(read_document(Release, document) for (document,) in self._database.rows(sql, values))

    def release_names(self) -> tuple[tuple[str, str], ...]:
        rows = self._database.rows("SELECT service, key FROM shopkart_releases ORDER BY sequence DESC")
        return tuple((service, key) for service, key in rows)

    def added_after(self, position: int, limit: int) -> tuple[tuple[int, Release], ...]:
        sql = "SELECT sequence, document FROM shopkart_releases WHERE sequence > %s ORDER BY sequence LIMIT %s"
        rows = self._database.rows(sql, (position, limit))
        return tuple((sequence, read_document(Release, document)) for sequence, document in rows)

    def finished_after(self, position: int, limit: int) -> tuple[tuple[int, StageRecord], ...]:
        rows = self._database.rows(_FINISHED, (position, limit))
        return tuple((sequence, read_document(StageRecord, record)) for sequence, record in rows)

    def begin(self, start: StageStart) -> None:
        values = (start.service, start.release_key, start.stage, start.run_id, start.started_at, None)
        self._database.write(lambda connection: connection.execute(_ADD_ATTEMPT, values))

    def finish(self, record: StageRecord) -> None:
        document = document_of(record)
        self._database.write(lambda connection: _finish(connection, record, document), _RESULTS)

    def latest(self, service: str, key: str) -> Mapping[str, StageRecord]:
        sql = (
            "SELECT DISTINCT ON (stage) stage, record FROM shopkart_attempts"
            " WHERE service = %s AND key = %s AND record IS NOT NULL ORDER BY stage, sequence DESC"
        )
        rows = self._database.rows(sql, (service, key))
        return {stage: read_document(StageRecord, record) for stage, record in rows}

    def reusable(self, service: str, stage: str, input_key: str) -> StageRecord | None:
        rows = self._database.rows(_REUSABLE, (service, stage, input_key))
        return read_document(StageRecord, rows[0][0]) if rows else None

    def running(self, service: str, key: str) -> tuple[StageStart, ...]:
        return tuple(StageStart(*row) for row in self._database.rows(_RUNNING, (service, key)))

    def note(self, note: Note) -> None:
        values = _note_values(note)
        self._database.write(lambda connection: connection.execute(_ADD_NOTE, values))

    def note_once(self, *notes: Note) -> tuple[Note, ...]:
        values = [_note_values(note) for note in notes]

        def add(connection: Connection) -> tuple[Note, ...]:
            pairs = zip(notes, values, strict=True)
            return tuple(note for note, each in pairs if _add_once(connection, each))

        return self._database.write(add, _NOTES)

    def notes(self, service: str, key: str, kind: str | None = None) -> tuple[Note, ...]:
        named: dict[str, str | None] = {"service = %s": service, "key = %s": key, "kind = %s": kind}
        return self._notes({term: value for term, value in named.items() if value is not None}, "sequence")

    def newest_notes(self, kind: str, service: str | None = None, limit: int = 100) -> tuple[Note, ...]:
        wanted = {"kind = %s": kind} if service is None else {"kind = %s": kind, "service = %s": service}
        return self._notes(wanted, "sequence DESC LIMIT %s", limit)

    def _notes(self, wanted: Mapping[str, str], order: str, *values: Any) -> tuple[Note, ...]:
        sql = f"SELECT document FROM shopkart_notes WHERE {' AND '.join(wanted)} ORDER BY {order}"  # noqa: S608
        rows = self._database.rows(sql, (*wanted.values(), *values))
        return tuple(read_document(Note, document) for (document,) in rows)


def _finish(connection: Connection, record: StageRecord, document: str) -> None:
    attempt = (record.service, record.release_key, record.stage, record.run_id)
    [(begun,)] = connection.execute(_BEGUN, attempt).fetchall()
    if begun is None:
        [(begun,)] = connection.execute(_ADD_ATTEMPT, (*attempt, record.started_at, document)).fetchall()
    else:
        connection.execute("UPDATE shopkart_attempts SET record = %s WHERE sequence = %s", (document, begun))
    connection.execute("INSERT INTO shopkart_finished (attempt) VALUES (%s)", (begun,))
    if record.reused is None and isinstance(record.result, Evidence):
        values = [(record.service, record.stage, key, record.run_id, record.release_key) for key in record.input_keys]
        with connection.cursor() as cursor:
            cursor.executemany(_ADD_REUSABLE, values)


def _note_values(note: Note) -> tuple[str, str, str, str, str]:
    return note.service, note.release_key, note.kind, note.message, document_of(note)


def _add_once(connection: Connection, values: tuple[str, str, str, str, str]) -> bool:
    if connection.execute(_HAS_NOTE, values[:4]).fetchone() is not None:
        return False
    connection.execute(_ADD_NOTE, values)
    return True
