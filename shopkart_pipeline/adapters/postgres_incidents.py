"""Incidents and what was gathered beside them, in a PostgreSQL database.

Whoever changes something has the turn of the whole store until it is written. What was read once is remembered under
its revision, because sensors ask for all incidents every few seconds, and old ones never change.
"""

from collections.abc import Callable
from functools import partial

from pydantic import ValidationError

from shopkart_pipeline.adapters._incident_documents import (
    INCIDENT,
    is_attachment_name,
    is_incident_id,
    newest_first,
    no_attachment,
    no_incident,
)
from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.ports.incident_store import IncidentStore

_TURN = "shopkart_incidents"
_REVISIONS = "SELECT id, revision FROM shopkart_incidents"
_DOCUMENTS = "SELECT id, revision, document FROM shopkart_incidents WHERE id = ANY(%s)"
_WRITE = """
INSERT INTO shopkart_incidents VALUES (%s, nextval('shopkart_incident_revisions'), %s)
ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, document = excluded.document
"""
_ATTACH = """
INSERT INTO shopkart_incident_files VALUES (%s, %s, %s)
ON CONFLICT (incident, name) DO UPDATE SET content = excluded.content
"""


class PostgresIncidentStore(IncidentStore):
    """Incidents in a database with the tables of `_store_tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read: dict[str, tuple[int, Incident]] = {}

    def keep(self, choose: Callable[[tuple[Incident, ...]], Incident]) -> Incident:
        return self._database.write(lambda connection: write_incident(connection, choose(self._all(connection))), _TURN)

    def change(self, incident_id: str, change: Callable[[Incident], Incident]) -> Incident:
        return self._database.write(
            lambda connection: write_incident(connection, change(self._one(connection, incident_id))), _TURN
        )

    def get(self, incident_id: str) -> Incident:
        return self._database.run(partial(self._one, incident_id=incident_id))

    def list(self) -> tuple[Incident, ...]:
        return self._database.run(self._all)

    def attach(self, incident_id: str, name: str, content: bytes) -> None:
        if not is_attachment_name(name):
            raise ValueError(f"{name!r} is no name for what is kept beside an incident")
        self.get(incident_id)
        self._database.write(lambda connection: add_attachment(connection, incident_id, name, content))

    def attached(self, incident_id: str) -> tuple[str, ...]:
        self.get(incident_id)
        rows = self._database.rows("SELECT name FROM shopkart_incident_files WHERE incident = %s", (incident_id,))
        return tuple(sorted(name for (name,) in rows))

    def attachment(self, incident_id: str, name: str) -> bytes:
        self.get(incident_id)
        sql = "SELECT content FROM shopkart_incident_files WHERE incident = %s AND name = %s"
        rows = self._database.rows(sql, (incident_id, name))
        if not rows:
            raise no_attachment(incident_id, name)
        return bytes(rows[0][0])

    def _one(self, connection: Connection, incident_id: str) -> Incident:
        rows = connection.execute(_DOCUMENTS, ([incident_id],)).fetchall() if is_incident_id(incident_id) else []
        if not rows:
            raise no_incident(incident_id)
        return _incident(incident_id, rows[0][2])

    def _all(self, connection: Connection) -> tuple[Incident, ...]:
        revisions = dict(connection.execute(_REVISIONS).fetchall())
        new = [each for each, revision in revisions.items() if self._read.get(each, (None,))[0] != revision]
        documents = connection.execute(_DOCUMENTS, (new,)).fetchall() if new else []
        unread = {each: (revision, document) for each, revision, document in documents}

        def read(incident_id: str) -> Incident:
            if incident_id in unread:
                revision, document = unread[incident_id]
                self._read[incident_id] = revision, _incident(incident_id, document)
            return self._read[incident_id][1]

        return newest_first(revisions, read)


def write_incident(connection: Connection, incident: Incident) -> Incident:
    """Keep an incident, new or changed, and return it."""
    if not is_incident_id(incident.id):
        raise ValueError(f"{incident.id!r} is no id for an incident")
    connection.execute(_WRITE, (incident.id, INCIDENT.dump_json(incident).decode()))
    return incident


def add_attachment(connection: Connection, incident_id: str, name: str, content: bytes) -> None:
    """Keep a file beside an incident."""
    connection.execute(_ATTACH, (incident_id, name, content))


def _incident(incident_id: str, document: str) -> Incident:
    try:
        return INCIDENT.validate_json(document)
    except ValidationError:
        raise PipelineError(
            f"The incident {incident_id} can't be read from the database.", "Restore it from a backup."
        ) from None
