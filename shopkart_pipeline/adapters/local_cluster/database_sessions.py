"""Who is connected to an environment's PostgreSQL, by its own list of sessions (`pg_stat_activity`)."""

from shopkart_pipeline.adapters.local_cluster.addresses import DATABASE, environment_urls
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.domain.errors import PipelineError

_WAIT_SECONDS = 2
_SESSIONS = (
    "SELECT client_port FROM pg_stat_activity WHERE datname = %s AND client_port > 0 AND pid <> pg_backend_pid()"
)


def connections_of(folders: Folders, environment: str) -> frozenset[int] | str:
    """The clients' ports of all open connections, or why nobody can tell. The password is in no answer."""
    # Loaded by whoever samples alone: every command that deploys imports this package.
    import psycopg

    try:
        address = environment_urls(folders.home, environment)["database_url"]
        options = f"-c statement_timeout={_WAIT_SECONDS}s"
        with psycopg.connect(address, connect_timeout=_WAIT_SECONDS, options=options, autocommit=True) as connection:
            rows = connection.execute(_SESSIONS, (DATABASE,)).fetchall()
    except PipelineError as error:
        return error.what
    except psycopg.Error as error:
        return f"PostgreSQL of {environment} does not tell its sessions: {type(error).__name__}"
    return frozenset(int(port) for (port,) in rows)
