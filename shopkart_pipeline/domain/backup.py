"""Backups: what one holds, where it came from, and what is declared about them.

A manifest says what a backup has to give back: every table with its number of rows, and a digest over the schema. It is
written last, so a backup without one is none. Who restores compares with it (`differences`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from shopkart_pipeline.domain.retention import Retention

PIPELINE = "pipeline"
"""Name of the database that is the pipeline's own stores: ledger, evidence, inbox, outbox, and Dagster's where that is
SQLite."""
DAGSTER = "dagster"
"""Name of the database that has Dagster's runs and events where these are in PostgreSQL."""
STORES = "stores"
"""Name of the database that has evidence, incidents and messages where these are in PostgreSQL."""


class Engine(StrEnum):
    """What keeps a database."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


@dataclass(frozen=True)
class Contents:
    """What is in a database at one moment."""

    rows: Mapping[str, int]
    """Number of rows by name of the table, with its schema or file before it."""
    schema_digest: str
    """`sha256:` over tables, columns, constraints, indexes and what else a schema is made of."""
    version: str
    """Of the server, or of the library that reads the files."""

    @property
    def all_rows(self) -> int:
        return sum(self.rows.values())


@dataclass(frozen=True)
class Dumped:
    """What was written out, and by which tool."""

    contents: Contents
    tool: str
    """Name and version."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    database: str
    id: str
    """Unique in its database; sorts by time."""
    engine: Engine
    taken_at: datetime
    """The moment whose data it holds."""
    contents: Contents
    tool: str
    size_bytes: int
    """As stored, sealed."""
    digest: str
    """`sha256:` over the stored bytes."""
    key_id: str
    """Which key seals it; tells nothing about the key."""
    seconds: float = 0.0
    """How long it took."""

    @property
    def name(self) -> str:
        return f"{self.database}/{self.id}"


@dataclass(frozen=True)
class Backup:
    """A backup as its store has it."""

    manifest: Manifest
    verified_at: datetime | None = None
    """When a drill last restored it and found everything; None: never."""


@dataclass(frozen=True)
class Unreadable:
    """Something that should be a backup, and can't be used."""

    name: str
    reason: str


class StoreKind(StrEnum):
    """Where backups are kept."""

    DISK = "disk"
    S3 = "s3"


@dataclass(frozen=True)
class BackupPlace:
    """Where backups are kept, as declared."""

    kind: StoreKind = StoreKind.DISK
    folder: Path | None = None
    """Of kind `disk`, absolute; None: below the pipeline's home."""
    bucket: str = ""
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True)
class BackedUp:
    """A database that is backed up, as declared."""

    name: str
    environment: str | None = None
    """Whose PostgreSQL it is on the embedded platform; None: its address is a setting."""
    service: str | None = None
    """The service that has to work on what was restored; None: no service is started on it."""
    smoke_paths: tuple[str, ...] = ()
    """What that service has to answer with 200 then."""
    maximum_age_seconds: float = 24 * 3600.0
    """Recovery point objective: data may be as old as that when the worst happens."""
    recovery_seconds: float = 3600.0
    """Recovery time objective: from nothing to a service that works again."""
    timeout_seconds: float = 4 * 3600.0
    """For a backup, and for a restore."""

    @property
    def engine(self) -> Engine:
        return Engine.SQLITE if self.name == PIPELINE else Engine.POSTGRESQL


@dataclass(frozen=True)
class Recovery:
    """What is declared about backups and recovery drills."""

    place: BackupPlace = field(default_factory=BackupPlace)
    retention: Retention = field(default_factory=Retention)
    databases: Mapping[str, BackedUp] = field(default_factory=dict[str, BackedUp])


def differences(wanted: Contents, found: Contents) -> Iterator[str]:
    """What is not as it was, in words: tables that lack or are too many, and other numbers of rows."""
    for table in sorted(wanted.rows.keys() | found.rows.keys()):
        had, has = wanted.rows.get(table), found.rows.get(table)
        if has is None:
            yield f"{table} is missing ({had} rows)"
        elif had is None:
            yield f"{table} was not in the backup's manifest ({has} rows)"
        elif had != has:
            yield f"{table} has {has} rows instead of {had}"
