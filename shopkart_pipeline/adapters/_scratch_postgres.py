"""A PostgreSQL for a while: a folder, a port and a password of its own, and nothing of it left afterwards.

It is stopped and removed when the block ends. A process that is killed takes it along (`setpriv --pdeathsig`), and
where that can't be the next one to come stops and removes what nobody holds any more (`_held_folder`).
"""

import os
import secrets
import signal
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
from psycopg import conninfo

from shopkart_pipeline.adapters._held_folder import held_folder
from shopkart_pipeline.adapters._postgres_programs import as_other_user, owner, program_for
from shopkart_pipeline.adapters._process import Background, Command, run, scrubbed_environment
from shopkart_pipeline.domain.errors import ToolUnavailable

HOST, USER, DATABASE = "127.0.0.1", "recovery", "restored"
_PREPARE_SECONDS, _START_SECONDS, _STOP_SECONDS = 60.0, 60.0, 20.0
_POLL_SECONDS = 0.05
_DATA, _LOG = "data", "server.log"
_OPTIONS = {"listen_addresses": HOST, "unix_socket_directories": "", "log_min_messages": "warning", "jit": "off"}
_FIX = "See whether this machine has room and ports for a second PostgreSQL."


@contextmanager
def scratch_postgres(root: Path, major: int) -> Generator[str]:
    """The address of an empty database on a server of its own.

    Args:
        root: where its folder is made, and what others have left is removed.
        major: version of PostgreSQL; the next later one where that is not here.

    Raises:
        ToolUnavailable: it can't be started.
    """
    postgres, initdb = program_for("postgres", major), program_for("initdb", major)
    with held_folder(root, end_left) as folder:
        password, port = secrets.token_urlsafe(24), _free_port()
        _create(initdb, folder, password)
        options = {**_OPTIONS, "port": str(port)}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        arguments = (*as_other_user(dies_with_parent=True), postgres, "-D", str(folder / _DATA), *settings)
        environment = scrubbed_environment({"PGTZ": "UTC"}, network=False, home=folder)
        # Nothing of it is worth an orderly end.
        server = Background("postgres", arguments, environment, folder / _LOG, signal.SIGQUIT)
        try:
            address = conninfo.make_conninfo(host=HOST, port=port, user=USER, password=password, dbname="postgres")
            _wait_for(server, address)
            yield f"postgresql://{USER}:{password}@{HOST}:{port}/{DATABASE}"
        finally:
            server.stop(_STOP_SECONDS)


def end_left(folder: Path) -> None:
    """End the server of a folder that somebody left, if its id still is that server's."""
    data = folder / _DATA
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        if str(data) in process.cmdline():
            process.send_signal(signal.SIGQUIT)
            process.wait(_STOP_SECONDS)


def _create(initdb: str, folder: Path, password: str) -> None:
    data = folder / _DATA
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data, *owner())
    plain = ("--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256", "--no-instructions")
    command = Command(
        (*as_other_user(), initdb, *plain, f"--username={USER}", "--pwfile=/dev/stdin", "-D", str(data)),
        folder,
        _PREPARE_SECONDS,
        capture=True,
        stdin=password.encode(),
        confined=False,
    )
    failure = run(command).failure("initdb")
    if failure is not None:
        raise ToolUnavailable(f"No server for the drill can be made: {failure}.", _FIX)


def _wait_for(server: Background, address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=2) as connection:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0".encode())
                return
        except psycopg.OperationalError as error:
            if server.exit_code is not None or time.monotonic() > deadline:
                last = server.log.read_text(errors="replace").strip().splitlines()[-1:] or [type(error).__name__]
                raise ToolUnavailable(f"The drill's server does not start: {last[0]}", _FIX) from None
        time.sleep(_POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def environment_of(address: str) -> Mapping[str, str]:
    """An address as the variables that PostgreSQL's programs read: a command line is everybody's to see."""
    options = psycopg.pq.Conninfo.parse(address.encode())
    given = ((option.envvar, option.val) for option in options)
    return {name.decode(): value.decode() for name, value in given if name is not None and value is not None}
