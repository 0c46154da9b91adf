"""Chooses where evidence, incidents, messages on their way and the index of components are kept.

All of them are in the home, or all in one PostgreSQL database, for a pipeline whose runs are on several machines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shopkart_pipeline.adapters._report_blobs import EarlierReports, FolderReports, ReportBlobs
from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.adapters.sqlite_components import SqliteComponentIndex
from shopkart_pipeline.adapters.sqlite_evidence import SqliteEvidenceStore, reports_folder
from shopkart_pipeline.adapters.sqlite_notifications import SqliteNotificationQueue
from shopkart_pipeline.adapters.sqlite_outbox import SqliteOutbox
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.component_index import ComponentIndex
from shopkart_pipeline.ports.evidence_store import EvidenceStore
from shopkart_pipeline.ports.incident_store import IncidentStore
from shopkart_pipeline.ports.notifier import NotificationQueue
from shopkart_pipeline.ports.outbox import Outbox
from shopkart_pipeline.settings import Settings

if TYPE_CHECKING:
    from shopkart_pipeline.adapters._postgres import Database


STORES_PATIENCE_SECONDS = 60.0
"""How long runs, the daemon and commands wait for a database that is away; a managed one fails over in as long."""


@dataclass(frozen=True)
class Stores:
    """What the pipeline keeps besides deliveries and acts."""

    evidence: EvidenceStore
    incidents: IncidentStore
    outbox: Outbox
    notifications: NotificationQueue
    components: ComponentIndex


def build_stores(settings: Settings, bucket: EvidenceBucket | None, clock: Clock) -> Stores:
    """The stores; nothing is opened before it is used.

    Args:
        settings: where they are.
        bucket: keeps reports, where one is declared.
        clock: from when the bucket's locks count.
    """
    if settings.stores_address:
        return _in_postgres(settings.stores_address, settings.home, bucket, clock)
    return _in_home(settings.home, bucket, clock)


def _in_home(home: Path, bucket: EvidenceBucket | None, clock: Clock) -> Stores:
    evidence = home / "evidence"
    return Stores(
        SqliteEvidenceStore(evidence, _reports(bucket, FolderReports(reports_folder(evidence)), clock)),
        DiskIncidentStore(home / "incidents"),
        SqliteOutbox(home / "outbox.db"),
        SqliteNotificationQueue(home / "notifications.db"),
        SqliteComponentIndex(home / "components.db"),
    )


def copy_home(settings: Settings, home: Path, bucket: EvidenceBucket | None, clock: Clock) -> Mapping[str, int]:
    """Copy what the stores in a home hold into PostgreSQL; returns how much of what.

    Raises:
        PipelineError: no database is given, or this is refused or fails (`copy_stores`).
    """
    if not settings.stores_address:
        raise PipelineError("SHOPKART_STORES is not set.", "Set it to the address of an empty PostgreSQL database.")
    if not (home / "evidence").exists():
        raise NotFound(f"{home} holds no evidence.", "Name the home with --home, or by SHOPKART_HOME.")
    from shopkart_pipeline.adapters._store_copy import copy_stores
    from shopkart_pipeline.adapters._store_tables import stores_database

    database = stores_database(settings.stores_address)
    entries = _copy_ledger(settings, home / "ledger.db")
    copied = copy_stores(home, database, _reports_beside(database, home, bucket, clock))
    return {**copied, "entries of the ledger": entries}


def _copy_ledger(settings: Settings, path: Path) -> int:
    """How many of its entries were copied: all, or none where it stays in a file or there is none yet."""
    if not settings.ledger.address or not path.exists():
        return 0
    from shopkart_pipeline.adapters.postgres_ledger import take_over
    from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger

    return take_over(SqliteLedger(path), settings.ledger.address)


def _in_postgres(address: str, home: Path, bucket: EvidenceBucket | None, clock: Clock) -> Stores:
    # The client library takes a while to import, which only those who use it should wait for.
    from shopkart_pipeline.adapters._store_tables import stores_database
    from shopkart_pipeline.adapters.postgres_components import PostgresComponentIndex
    from shopkart_pipeline.adapters.postgres_evidence import PostgresEvidenceStore
    from shopkart_pipeline.adapters.postgres_incidents import PostgresIncidentStore
    from shopkart_pipeline.adapters.postgres_notifications import PostgresNotificationQueue
    from shopkart_pipeline.adapters.postgres_outbox import PostgresOutbox

    database = stores_database(address, STORES_PATIENCE_SECONDS)
    return Stores(
        PostgresEvidenceStore(database, _reports_beside(database, home, bucket, clock)),
        PostgresIncidentStore(database),
        PostgresOutbox(database),
        PostgresNotificationQueue(database),
        PostgresComponentIndex(database),
    )


def _reports_beside(database: "Database", home: Path, bucket: EvidenceBucket | None, clock: Clock) -> ReportBlobs:
    """In the bucket, with copies in the home; in the database where none is declared, or was when they were kept."""
    from shopkart_pipeline.adapters.postgres_reports import PostgresReports

    kept = PostgresReports(database)
    if bucket is None:
        return kept
    return _reports(bucket, EarlierReports(FolderReports(reports_folder(home / "evidence")), kept), clock)


def _reports(bucket: EvidenceBucket | None, copies: ReportBlobs, clock: Clock) -> ReportBlobs:
    if bucket is None:
        return copies
    # AWS's client takes a while to import; most pipelines never need it.
    from shopkart_pipeline.adapters.s3_reports import s3_reports

    return s3_reports(bucket, copies, clock)
