"""Connections to one PostgreSQL database: kept open, used by one thread at a time, made anew when they were lost.

A connection survives no fork, so a child leaves those of its parent alone and opens its own. Work that meets a kept
connection which was lost meanwhile is done once more on a new one, so it has to be work that may be done twice. Nothing
waits for ever: not for a connection, a lock, a statement, nor for a network that swallows everything. The address holds
a password, which no error repeats.
"""

import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable

_T = TypeVar("_T")
Connection = psycopg.Connection[tuple[Any, ...]]
_KEPT_OPEN = 4
WAITING: dict[str, int] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
"""Limits of libpq for a server or a network that does not answer."""
_PREPARE = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s'"
_of_parents: list[Connection] = []
"""Connections that came over a fork; closing one here would close the parent's."""


class Database:
    """One database, with a schema that is created when it is missing.

    Args:
        address: as libpq takes it.
        table: its presence says that the schema is there.
        schema: statements that make it.
        setting: the variable that holds the address, for whoever has to mend it.

    Raises:
        PipelineError: the address can't be read.
    """

    def __init__(self, address: str, table: str, schema: str, *, setting: str) -> None:
        try:
            parts = conninfo.conninfo_to_dict(address)
        except psycopg.Error:
            # What libpq says about it quotes parts of it, of which one may be the password.
            raise PipelineError(
                f"{setting} can't be read.",
                "Use postgresql://USER:PASSWORD@HOST/DATABASE, with special characters percent-encoded.",
            ) from None
        self._address = conninfo.make_conninfo(
            address, **{name: value for name, value in WAITING.items() if name not in parts}
        )
        self._password = str(parts.get("password") or "")
        self._name = f"{parts.get('host') or 'the local socket'}/{parts.get('dbname') or ''}"
        self._table, self._schema = table, schema
        self._turn = threading.Lock()
        self._idle: list[Connection] = []
        self._owner = 0
        self._is_prepared = False
        weakref.finalize(self, _close, self._idle)

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """What the work gives, done in one transaction. Raises `ToolUnavailable`."""
        try:
            connection, is_new = self._take()
            try:
                return self._transact(connection, work)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if is_new or not connection.closed:
                    raise
            self._forget_idle()
            return self._transact(self._open(), work)
        except psycopg.Error as error:
            raise ToolUnavailable(
                f"The database {self._name} can't be used: {self._words(error)}.",
                "See whether it runs, who may connect to it, and its disk's space.",
            ) from None

    def _transact(self, connection: Connection, work: Callable[[Connection], _T]) -> _T:
        try:
            with connection.transaction():
                result = work(connection)
        except BaseException:
            connection.close()
            raise
        with self._turn:
            if len(self._idle) < _KEPT_OPEN and self._owner == os.getpid():
                self._idle.append(connection)
                return result
        connection.close()
        return result

    def _take(self) -> tuple[Connection, bool]:
        with self._turn:
            if self._owner != os.getpid():
                _of_parents.extend(self._idle)
                self._idle.clear()
                self._owner = os.getpid()
            if self._idle:
                return self._idle.pop(), False
        return self._open(), True

    def _open(self) -> Connection:
        # Statements are not prepared: connection poolers can't keep them apart.
        connection = psycopg.connect(self._address, autocommit=True, prepare_threshold=None)
        try:
            connection.execute(_PREPARE)
            if not self._is_prepared:
                with connection.transaction():
                    # Two who make a table at once would disturb each other, also with IF NOT EXISTS.
                    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self._table,))
                    if connection.execute("SELECT to_regclass(%s)", (self._table,)).fetchone() == (None,):
                        connection.execute(self._schema.encode())
                self._is_prepared = True
        except BaseException:
            connection.close()
            raise
        return connection

    def _forget_idle(self) -> None:
        with self._turn:
            _close(self._idle)
            self._idle.clear()

    def _words(self, error: psycopg.Error) -> str:
        said = " ".join(str(error).split()) or type(error).__name__
        return said.replace(self._password, "***") if self._password else said


def _close(connections: list[Connection]) -> None:
    for connection in connections:
        with suppress(psycopg.Error):
            connection.close()
