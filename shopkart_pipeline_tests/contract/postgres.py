"""A real PostgreSQL as a child of the tests: the server that the local cluster starts for an environment."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

from shopkart_pipeline.adapters.local_cluster.addresses import DATABASE, password_of, postgres_name
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.ports import HOST, Ports
from shopkart_pipeline.adapters.local_cluster.postgres_server import PostgresServer

_START_SECONDS = 60.0
_TABLES = (
    *("finished", "attempts", "releases", "reusable", "notes", "reports"),
    *("incident_files", "incidents"),
    *("notices", "things", "pauses", "notifications", "shown", "turns"),
    *("package_members", "package_sets", "packages", "images", "described"),
)
EMPTIED = "; ".join(f"DELETE FROM shopkart_{table}" for table in _TABLES)
"""Takes everything out of the stores; a hundred times as fast as making their tables anew."""


class Postgres:
    """One server; `kill` and `start` it as often as wanted."""

    def __init__(self, home: Path) -> None:
        folders = Folders(home)
        self._ports = Ports(folders)
        self._server = PostgresServer(folders, "tests", self._ports)
        self._process: subprocess.Popen[bytes] | None = None
        self.password = password_of(folders, postgres_name("tests"))

    def start(self) -> None:
        daemon = asyncio.run(self._server.prepare())
        daemon.log.parent.mkdir(parents=True, exist_ok=True)
        with daemon.log.open("ab") as log:
            variables = dict(daemon.variables)
            self._process = subprocess.Popen(daemon.arguments, cwd=daemon.cwd, env=variables, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not asyncio.run(self._server.is_ready()):
            assert self._process.poll() is None, daemon.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends every session at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def address(self, password: str | None = None) -> str:
        """Of a place in the database where nothing is yet; with another password, of the database."""
        port = self._ports.of(postgres_name("tests"))
        address = f"postgresql://{DATABASE}:{password or self.password}@{HOST}:{port}/{DATABASE}"
        if password is not None:
            return address
        schema = f"t{uuid4().hex}"
        with psycopg.connect(address) as connection:
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        return f"{address}?options=-csearch_path%3D{schema}"


@contextmanager
def running_postgres(home: Path) -> Iterator[Postgres]:
    """A server with its data below `home`."""
    postgres = Postgres(home)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
