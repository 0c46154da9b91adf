"""PostgreSQL for one environment: a server of its own, with one database and one role that owns it.

The data folder appears with everything in it or not at all: it is filled under another name and then renamed.
"""

import asyncio
import os
import secrets
import shutil
import signal
import struct

from shopkart_pipeline.adapters._postgres_programs import as_other_user, owner, program
from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.adapters.local_cluster.addresses import DATABASE, password_of, postgres_name
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.ports import HOST, Ports
from shopkart_pipeline.adapters.local_cluster.processes import Daemon
from shopkart_pipeline.adapters.local_cluster.servers import Server
from shopkart_pipeline.domain.errors import ToolUnavailable

_FIX = "See its log, and start the local cluster again."
_PREPARE_TIMEOUT_SECONDS = 60.0
_ASK_TIMEOUT_SECONDS = 1.0
_PROTOCOL_VERSION = 196_608
"""3.0; see "Message Formats" in PostgreSQL's documentation."""
_OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "io_method": "sync",
    "jit": "off",
    "log_min_messages": "warning",
}
"""Small: an environment holds a shop's test data. It syncs as it does by default, so data outlive crashes."""


class PostgresServer(Server):
    """The PostgreSQL of one environment."""

    stop_signal = signal.SIGINT
    """Ends sessions and stops at once, in order ("fast shutdown")."""

    def __init__(self, folders: Folders, environment: str, ports: Ports) -> None:
        self.name = postgres_name(environment)
        self._folder = folders.data_of(environment)
        self._data = self._folder / "postgres"
        self._log = folders.server_log(self.name)
        self._ports = ports
        self._password = password_of(folders, self.name)

    async def prepare(self) -> Daemon:
        if not self._data.is_dir():
            await asyncio.to_thread(self._create)
        options = {**_OPTIONS, "port": str(self._ports.keep(self.name))}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        arguments = (*as_other_user(), program("postgres"), "-D", str(self._data), *settings)
        return Daemon(arguments, self._folder, {"PGTZ": "UTC"}, self._log)

    def _create(self) -> None:
        new = self._folder / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True, mode=0o700)
        if os.geteuid() == 0:
            os.chown(new, *owner())
        # Nothing in it is worth anything before the rename, and the server itself syncs from then on.
        plain = ("--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256", "--no-instructions")
        superuser = ("--username=postgres", "--pwfile=/dev/stdin")
        # Nobody ever needs the superuser, so nobody knows its password.
        self._run("initdb", (*plain, *superuser, "-D", str(new)), secrets.token_urlsafe(24))
        statements = (
            f"CREATE ROLE {DATABASE} LOGIN PASSWORD '{self._password}'",
            f"CREATE DATABASE {DATABASE} OWNER {DATABASE}",
        )
        self._run("postgres", ("--single", "-D", str(new), "postgres"), "".join(f"{line}\n" for line in statements))
        new.rename(self._data)

    def _run(self, name: str, arguments: tuple[str, ...], told: str) -> None:
        command = Command(
            (*as_other_user(), program(name), *arguments),
            self._folder,
            _PREPARE_TIMEOUT_SECONDS,
            capture=True,
            stdin=told.encode(),
            confined=False,
        )
        failure = run(command).failure(name)
        if failure is not None:
            raise ToolUnavailable(f"{self.name} can't be made: {failure}.", _FIX)

    async def is_ready(self) -> bool:
        """Whether it asks who we are; while it starts or recovers it answers with an error instead."""
        port = self._ports.of(self.name)
        if port is None:
            return False
        wish = b"user\0" + DATABASE.encode() + b"\0\0"
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, port)
                try:
                    writer.write(struct.pack("!ii", 8 + len(wish), _PROTOCOL_VERSION) + wish)
                    return await reader.read(1) == b"R"
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
