"""Chooses the adapters of the ledger: where it is, and where its signed heads are anchored."""

from pathlib import Path

from shopkart_pipeline.adapters.disk_anchor import DiskAnchor
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.ledger_settings import Bucket
from shopkart_pipeline.ports.ledger import Ledger
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor
from shopkart_pipeline.settings import Settings


def build_ledger(settings: Settings, patience_seconds: float = 0.0) -> Ledger:
    """Where acts are recorded."""
    if not settings.ledger.address:
        return SqliteLedger(settings.home / "ledger.db")
    # The client library takes a while to import, which only those who use it should wait for.
    from shopkart_pipeline.adapters.postgres_ledger import PostgresLedger

    return PostgresLedger(settings.ledger.address, patience_seconds)


def build_anchor(place: Path | Bucket | None) -> LedgerAnchor | None:
    """Where heads are kept once more; None where nothing is said."""
    match place:
        case None:
            return None
        case Path():
            return DiskAnchor(place)
        case Bucket():
            # AWS's client library likewise.
            from shopkart_pipeline.adapters.s3_anchor import s3_anchor

            return s3_anchor(place.name, place.prefix)
