"""A PostgreSQL database, written out by `pg_dump` and brought back by `pg_restore`, of the server's own version.

What is counted and what is written out are one snapshot: a transaction exports it, stays open until `pg_dump`, which
takes it over, has ended, and counts in it then. Nothing waits for ever: not for a connection, a lock, a statement, nor
a network that swallows everything. A restore goes to a server of its own (`_scratch_postgres`). Passwords reach the
programs through their environment, and no error repeats them.

Source: PostgreSQL's documentation, "pg_dump" (`--snapshot`), "Snapshot Synchronization Functions", "pg_restore".
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
from psycopg import conninfo

from shopkart_pipeline.adapters._held_folder import held_folder
from shopkart_pipeline.adapters._postgres import WAITING
from shopkart_pipeline.adapters._postgres_contents import Connection, prepare, schema_of, with_rows
from shopkart_pipeline.adapters._postgres_programs import program_for, version_of
from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.adapters._process_pipes import read_from, write_to
from shopkart_pipeline.adapters._scratch_postgres import environment_of, scratch_postgres
from shopkart_pipeline.domain.backup import Contents, Dumped
from shopkart_pipeline.domain.errors import PipelineError, Refused, ToolUnavailable
from shopkart_pipeline.ports.backups import Database, Restored, Sink

_TABLES = b"""
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' AND c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f')
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1
"""
"""Tables and views that no extension has brought along."""
_LOCK_WAIT = "--lock-wait-timeout=60s"
_FIX = "See whether it runs, who may connect to it and read its tables, and what its log says."
_RESTORE_FIX = "See docs/backups.md: extensions have to be on this machine, and policies may name no roles."


class PostgresDump(Database):
    """One database.

    Args:
        name: what errors call it.
        address: gives where it is, as libpq takes it; may raise `PipelineError`.
        scratch: a folder for servers of drills.
        timeout_seconds: for writing it out, and for bringing it back.
        server: lends an empty database of a major version below that folder.
    """

    def __init__(
        self,
        name: str,
        address: Callable[[], str],
        scratch: Path,
        timeout_seconds: float,
        server: Callable[[Path, int], AbstractContextManager[str]] = scratch_postgres,
    ) -> None:
        self._name = name
        self._address = address
        self._scratch = scratch
        self._timeout_seconds = timeout_seconds
        self._server = server

    def dump(self, sink: Sink) -> Dumped:
        address = self._address()
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._told(address), self._snapshot(address) as (connection, snapshot):
            pg_dump = program_for("pg_dump", connection.info.server_version // 10_000)
            # Tables are held first and counted last. Whoever changes one waits for this transaction, and pg_dump would
            # wait for him, so there is but a moment between the locks here and those of pg_dump.
            schema = schema_of(connection)
            arguments = (
                pg_dump,
                "--format=custom",
                "--no-password",
                f"--snapshot={snapshot}",
                _LOCK_WAIT,
            )
            variables = {**environment_of(_patient(address)), **_home()}
            command = Command(arguments, self._scratch, self._timeout_seconds, variables, confined=False)
            failure = read_from(command, sink).failure("pg_dump", last_lines=2)
            if failure is not None:
                raise ToolUnavailable(f"{self._name} can't be written out: {_without(failure, address)}.", _FIX)
            return Dumped(with_rows(connection, schema), version_of(pg_dump))

    @contextmanager
    def _snapshot(self, address: str) -> Generator[tuple[Connection, str]]:
        with psycopg.connect(_patient(address)) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            prepare(connection, self._timeout_seconds)
            [(snapshot,)] = connection.execute(b"SELECT pg_export_snapshot()").fetchall()
            yield connection, str(snapshot)

    @contextmanager
    def restored(self, dump: Iterable[bytes], version: str) -> Generator[Restored]:
        with self._server(self._scratch, _major(version)) as address:
            pg_restore = program_for("pg_restore", _major(version))
            arguments = (
                pg_restore,
                "--no-owner",
                "--no-privileges",
                "--exit-on-error",
                "--no-password",
                f"--dbname={conninfo.conninfo_to_dict(address)['dbname']}",
            )
            self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            command = Command(arguments, self._scratch, self._timeout_seconds, environment_of(address), confined=False)
            source = iter(dump)
            failure = write_to(command, source).failure("pg_restore", last_lines=2)
            if failure is not None:
                raise ToolUnavailable(f"{self._name} can't be restored: {_without(failure, address)}.", _RESTORE_FIX)
            for _ in source:
                pass  # It may have had enough before the end, and only the end says that everything is as it was.
            with self._told(address):
                found = self._look(address)
            yield Restored(address, found)

    def bring_back(self, dump: Iterable[bytes], version: str) -> None:
        self.check_empty()
        address = self._address()
        with held_folder(self._scratch) as folder, self._told(address):
            whole = folder / "whole.dump"
            with whole.open("wb") as file:
                for piece in dump:
                    file.write(piece)
            arguments = (
                program_for("pg_restore", _major(version)),
                "--no-owner",
                "--no-privileges",
                "--single-transaction",
                "--exit-on-error",
                "--no-password",
                f"--dbname={conninfo.conninfo_to_dict(address)['dbname']}",
                str(whole),
            )
            variables = {**environment_of(_patient(address)), **_home()}
            command = Command(arguments, folder, self._timeout_seconds, variables, confined=False)
            failure = run(command).failure("pg_restore", last_lines=2)
        if failure is not None:
            raise ToolUnavailable(f"{self._name} can't be restored: {_without(failure, address)}.", _RESTORE_FIX)

    def check_empty(self) -> None:
        """Raises `Refused` where the database has tables already."""
        address = self._address()
        with self._told(address), psycopg.connect(_patient(address)) as connection:
            prepare(connection, self._timeout_seconds)
            there = [str(name) for (name,) in connection.execute(_TABLES).fetchall()]
        if there:
            raise Refused(
                f"The database {self._name} is not empty: it has {there[0]}.",
                "Restore into a new database, and stop whoever has begun to use it; see docs/backups.md.",
            )

    def _look(self, address: str) -> Contents:
        with psycopg.connect(_patient(address)) as connection:
            prepare(connection, self._timeout_seconds)
            return with_rows(connection, schema_of(connection))

    @contextmanager
    def _told(self, address: str) -> Generator[None]:
        try:
            yield
        except psycopg.Error as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise ToolUnavailable(f"{self._name} can't be used: {_without(said, address)}.", _FIX) from None
        except FileNotFoundError as error:
            raise ToolUnavailable(f"{error.filename} is not there.", "Install what requirements.lock pins.") from error


def check_address(name: str, address: str) -> str:
    """The address itself; raises `PipelineError`, which does not repeat it, where it is none."""
    fix = "Use postgresql://USER:PASSWORD@HOST/DATABASE, with special characters percent-encoded."
    unreadable = PipelineError(f"The address of database {name} can't be read.", fix)
    try:
        parts = conninfo.conninfo_to_dict(address)
    except psycopg.Error:
        raise unreadable from None
    host, port, database = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
    # A password with such a character in it is cut there, and its rest would be told as the name of a host.
    if "@" in host[1:] or "@" in database or not (port or "0").replace(",", "0").isdecimal():
        raise unreadable
    return address


def database_identity(address: str) -> tuple[str, ...]:
    """Which database of which server an address means, whoever goes there."""
    parts = conninfo.conninfo_to_dict(address)
    return tuple(str(parts.get(key) or "") for key in ("host", "hostaddr", "port", "dbname"))


def _home() -> Mapping[str, str]:
    """Where libpq looks by itself for a password and for certificates, in a program as in this process."""
    try:
        return {"HOME": str(Path.home())}
    except RuntimeError:  # This user has none.
        return {}


def _patient(address: str) -> str:
    """The address with limits for waiting, where it says none itself."""
    said = conninfo.conninfo_to_dict(address)
    return conninfo.make_conninfo(address, **{name: value for name, value in WAITING.items() if name not in said})


def _major(version: str) -> int:
    """Of `PostgreSQL 16.4 (Debian …)`."""
    number = version.split()[1].partition(".")[0] if " " in version else ""
    if not number.isdecimal():
        raise ToolUnavailable(f"{version!r} is no version of PostgreSQL.", "Restore an earlier backup.")
    return int(number)


def _without(words: str, address: str) -> str:
    password = conninfo.conninfo_to_dict(address).get("password")
    return words.replace(str(password), "***") if password else words
