"""Chooses the adapters that the receiver needs, and nothing else: it is to be back a moment after it was killed, and
importing all of the pipeline's adapters takes seconds."""

from shopkart_pipeline.adapters._sonarqube_hints import Hints
from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.ports.inbox import Inbox
from shopkart_pipeline.settings import Settings


def build_inbox(settings: Settings, patience_seconds: float = 0.0) -> Inbox:
    """Where deliveries are kept. The receiver is not patient: whoever sent a delivery is told to send it again."""
    if not settings.inbox_address:
        return SqliteInbox(settings.home / "inbox.db")
    # The client library takes a while to import, which only those who use it should wait for.
    from shopkart_pipeline.adapters.postgres_inbox import PostgresInbox

    return PostgresInbox(settings.inbox_address, patience_seconds)


def sonarqube_hints(settings: Settings) -> Hints:
    """Where SonarQube's webhook says which analyses have ended."""
    return Hints(settings.home / "sonarqube")
