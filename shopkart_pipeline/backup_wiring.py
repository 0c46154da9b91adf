"""Chooses the adapters of backups: where they are kept, and how each declared database is reached.

A database that is called as one of the pipeline's own is where the pipeline itself has it, unless an address is given.
"""

from functools import partial

from shopkart_pipeline.adapters._backup_blobs import Blobs
from shopkart_pipeline.adapters.disk_backups import DiskBackups
from shopkart_pipeline.adapters.sealed_backups import SealedBackups
from shopkart_pipeline.adapters.sqlite_files import SqliteFiles
from shopkart_pipeline.domain.backup import STORES, BackedUp, BackupPlace, Dumped, Engine, Recovery, StoreKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.backups import Backups, Database, Sink
from shopkart_pipeline.settings import Settings


def build_backups(settings: Settings, declared: Recovery) -> Backups:
    """All that backups need; nothing is opened, and no key is made, before it is used."""
    store = SealedBackups(_blobs(settings, declared.place), partial(_key, settings))
    return Backups(store, partial(_database, settings, declared), _probe)


def _probe(address: str, path: str) -> str | None:
    # What speaks HTTP is loaded by who does.
    from shopkart_pipeline.adapters.http_probe import probe

    return probe(address, path)


def _key(settings: Settings) -> bytes:
    if settings.backups.key_reference is None and not settings.home_lasts:
        raise PipelineError(
            "SHOPKART_BACKUP_KEY_SECRET is not set, and a key that is made here is gone with this pod.",
            "Set it: without their key backups can't be read.",
        )
    return settings.backups.key(settings.home)


def _blobs(settings: Settings, place: BackupPlace) -> Blobs:
    match place.kind:
        case StoreKind.DISK:
            folder = place.folder or settings.home / "backups"
            return DiskBackups(folder, is_ours=folder.is_relative_to(settings.home))
        case StoreKind.S3:
            # AWS's client library takes a fifth of a second to import, which only those who use it should wait for.
            from shopkart_pipeline.adapters.s3_backups import s3_backups

            scratch = settings.home / "private"
            return s3_backups(place.bucket, place.prefix, place.region, place.endpoint, scratch)


def _database(settings: Settings, declared: Recovery, database: BackedUp) -> Database:
    # Not in `work`, where commands of the project's code read and write.
    scratch = settings.home / "recovery"
    if database.engine is Engine.SQLITE:
        if settings.stores_address and STORES not in declared.databases:
            return _StoresLeftOut(settings.home, scratch / database.name)
        return SqliteFiles(settings.home, scratch / database.name)
    # PostgreSQL's client library likewise.
    from shopkart_pipeline.adapters.postgres_dump import PostgresDump, check_address

    def address() -> str:
        if database.environment is None:
            return check_address(database.name, _address(settings, database.name))
        from shopkart_pipeline.adapters.local_cluster.addresses import environment_urls

        return environment_urls(settings.home, database.environment)["database_url"]

    return PostgresDump(database.name, address, scratch / database.name, database.timeout_seconds)


def _address(settings: Settings, name: str) -> str:
    own = {STORES: settings.stores_address, "inbox": settings.inbox_address, "ledger": settings.ledger.address}
    is_given = name.upper().replace("-", "_") in settings.backups.addresses
    return settings.backups.address(name) if is_given or not own.get(name) else own[name]


class _StoresLeftOut(SqliteFiles):
    """What is in the home, where the rest is in a database that nobody backs up: restored, and no longer written."""

    def dump(self, sink: Sink) -> Dumped:
        raise PipelineError(
            "Evidence, incidents and messages are in PostgreSQL, and no declared database has them.",
            f"Declare `{STORES}: {{}}` under `recovery.databases`.",
        )
