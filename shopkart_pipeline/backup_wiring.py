"""Chooses the adapters of backups: where they are kept, and how each declared database is reached.

A database that is called as one of the pipeline's own is where the pipeline itself has it, unless an address is given.
The pipeline's own stores are one database, wherever they are, but for those that are declared by themselves.
"""

from functools import partial
from pathlib import Path

from shopkart_pipeline.adapters._backup_blobs import Blobs
from shopkart_pipeline.adapters.disk_backups import DiskBackups
from shopkart_pipeline.adapters.sealed_backups import SealedBackups
from shopkart_pipeline.adapters.sqlite_files import SqliteFiles
from shopkart_pipeline.dagster_database import dagster_address
from shopkart_pipeline.domain.backup import DAGSTER, STORES, BackedUp, BackupPlace, Engine, Recovery, StoreKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notification import SecretReference
from shopkart_pipeline.ports.backups import Backups, Database
from shopkart_pipeline.settings import Settings, read_secret


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
        return _own_stores(settings, declared, database, scratch)
    # PostgreSQL's client library likewise.
    from shopkart_pipeline.adapters.postgres_dump import PostgresDump, check_address

    def address() -> str:
        if database.environment is None:
            return check_address(database.name, _address(settings, database.name))
        from shopkart_pipeline.adapters.local_cluster.addresses import environment_urls

        return environment_urls(settings.home, database.environment)["database_url"]

    return PostgresDump(database.name, address, scratch / database.name, database.timeout_seconds)


def _address(settings: Settings, name: str) -> str:
    own = _own(settings)
    is_given = name.upper().replace("-", "_") in settings.backups.addresses
    return settings.backups.address(name) if is_given or not own.get(name) else own[name]


def _own(settings: Settings) -> dict[str, str]:
    """The addresses of the pipeline's own databases in PostgreSQL; empty ones are files in the home."""
    return {
        "inbox": settings.inbox_address,
        "ledger": settings.ledger.address,
        STORES: settings.stores_address,
        DAGSTER: dagster_address(settings.dagster_configuration, _variable),
    }


def _own_stores(settings: Settings, declared: Recovery, database: BackedUp, scratch: Path) -> Database:
    files, own = SqliteFiles(settings.home, scratch / database.name), _own(settings)
    if not any(own.values()):
        return files
    from shopkart_pipeline.adapters.pipeline_stores import PipelineStores
    from shopkart_pipeline.adapters.postgres_dump import PostgresDump, database_identity

    together: dict[tuple[str, ...], list[str]] = {}
    by_themselves = {database_identity(own[name]) for name in own if name in declared.databases}
    for name, address in own.items():
        if address and database_identity(address) not in by_themselves:
            together.setdefault(database_identity(address), []).append(name)
    if not together:
        return files
    addresses = {"-".join(names): own[names[0]] for names in together.values()}

    def postgres(name: str) -> PostgresDump:
        folder = scratch / f"{database.name}-{name}"
        return PostgresDump(name, lambda: addresses[name], folder, database.timeout_seconds)

    first = [name for name in addresses if "inbox" in name.split("-")]
    then = [name for name in addresses if name not in first]
    return PipelineStores(files, first, then, postgres, scratch / f"{database.name}-databases")


def _variable(name: str) -> str:
    try:
        return read_secret(SecretReference(variable=name))
    except PipelineError:
        return ""
