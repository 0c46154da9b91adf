"""Connections to one PostgreSQL database: kept open, used by one thread at a time, made anew when they were lost.

A connection survives no fork, so a child leaves those of its parent alone and opens its own. Work that meets a
connection which was lost is done once more on a new one, so it has to be work that may be done twice; `write` asks the
server instead whether the transaction was committed before its answer was lost, and does it once. A standby that has
taken over numbers transactions on from the last that it heard of, so its answer may be about another one, and is none.

Nothing waits for ever: not for a connection, a lock, a statement, nor for a server or a network that swallows
everything; and one absence of the server is waited out once, by whoever met it first. The address holds a password,
which no error repeats.

Source: PostgreSQL's documentation, "Transaction ID and Snapshot Information Functions" (`pg_xact_status`, since 13),
and "Continuous Archiving and Point-in-Time Recovery", "Timelines".
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import conninfo
from psycopg.pq import TransactionStatus

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.masked_postgres import MaskingCursor

_T = TypeVar("_T")
Connection = psycopg.Connection[tuple[Any, ...]]
_KEPT_OPEN = 4
_ANSWER_SECONDS = 20.0
"""For a statement whose server has stopped without its machine: longer than the server's own limit."""
WAITING: dict[str, int] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
"""Limits of libpq for a server or a network that does not answer."""
_PREPARE = (
    "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s';"
    " SET synchronous_commit = on; SET TimeZone = 'UTC'"
)
_HISTORY = "SELECT system_identifier || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()"
"""Which cluster it is, and on which timeline."""
_PAUSES_SECONDS, _LONGEST_PAUSE_SECONDS = (0.1, 0.2, 0.5, 1.0), 2.0
_REFUSALS = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied")
"""What waiting does not mend. A connection that was not made has no code for it."""
_of_parents: list[Connection] = []
"""Connections that came over a fork; closing one here would close the parent's."""


class _Impatient(psycopg.Connection[tuple[Any, ...]]):
    """A connection that is lost where its server does not answer in time."""

    history = ""
    """Whose transactions its server numbers; empty where a server does not say."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, _ANSWER_SECONDS if timeout is None else timeout)
        except psycopg.Error:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class Database:
    """One database, with a schema that is created when it is missing.

    Args:
        address: as libpq takes it.
        table: its presence says that the schema is there.
        schema: statements that make it.
        setting: the variable that holds the address, for whoever has to mend it.
        version: of the schema, which `table` holds as its only row; None: it has none.
        patience_seconds: how long work goes on being tried while there is no server, as in a failover; where there
            never was one, it is told at once.

    Raises:
        PipelineError: the address can't be read.
    """

    def __init__(
        self,
        address: str,
        table: str,
        schema: str,
        *,
        setting: str,
        version: int | None = None,
        patience_seconds: float = 0.0,
    ) -> None:
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
        self._patience_seconds = patience_seconds
        self._password = str(parts.get("password") or "")
        self._name = f"{parts.get('host') or 'the local socket'}/{parts.get('dbname') or ''}"
        self._table, self._schema, self._version = table, schema, version
        self._sql_of_version = f"SELECT version FROM {table}"  # noqa: S608 # A table of our own.
        self._turn = threading.Lock()
        self._idle: list[Connection] = []
        self._owner = 0
        self._is_prepared = False
        self._gives_up_at: float | None = None
        """None while the server answers."""
        weakref.finalize(self, _close, self._idle)

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What one statement that only reads gives. Raises `ToolUnavailable`."""
        return self._use(lambda connection: connection.execute(sql.encode(), values).fetchall())

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """What the work gives, done in one transaction, twice if its connection was lost. Raises `ToolUnavailable`."""

        def transact(connection: Connection) -> _T:
            with connection.transaction():
                return work(connection)

        return self._use(transact)

    def write(self, work: Callable[[Connection], _T], turn: str = "") -> _T:
        """What the work gives, done in one transaction that is on the server's disk then, and done once.

        Args:
            work: changes the database, and nothing else, as it may have to begin anew.
            turn: those who write with the same one do so one after the other, so what they see is what there is, and
                the numbers that they give become visible in their order; empty: side by side.

        Raises:
            ToolUnavailable: the database can't be used. What was written then is not known to be kept.
        """
        return self._use(_Write(work, turn))

    def _use(self, act: Callable[[Connection], _T]) -> _T:
        try:
            return self._kept_trying(act)
        except psycopg.Error as error:
            raise ToolUnavailable(
                f"The database {self._name} can't be used: {self._words(error)}.",
                "See whether it runs, who may connect to it, and its disk's space.",
            ) from None

    def _kept_trying(self, act: Callable[[Connection], _T]) -> _T:
        """Once more, at once, where the first connection was lost, and then as long as patience lasts."""
        pauses, is_first = iter(_PAUSES_SECONDS), True
        while True:
            connection: Connection | None = None
            try:
                connection = self._take()
                result = self._done(connection, act)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                was_lost = connection is not None and connection.broken
                if not was_lost and (connection is not None or _is_refused(error)):
                    raise
                gives_up_at, at_once, is_first = self._given_up_at(), was_lost and is_first, False
                if not at_once and time.monotonic() >= gives_up_at:
                    raise
            else:
                self._gives_up_at = None
                return result
            self._forget_idle()
            if not at_once:
                time.sleep(next(pauses, _LONGEST_PAUSE_SECONDS))

    def _given_up_at(self) -> float:
        if self._gives_up_at is None:
            self._gives_up_at = time.monotonic() + (self._patience_seconds if self._is_prepared else 0.0)
        return self._gives_up_at

    def _done(self, connection: Connection, act: Callable[[Connection], _T]) -> _T:
        try:
            result = act(connection)
        except BaseException:
            if not connection.broken:
                connection.close()
            raise
        with self._turn:
            if len(self._idle) < _KEPT_OPEN and self._owner == os.getpid():
                self._idle.append(connection)
                return result
        connection.close()
        return result

    def _take(self) -> Connection:
        with self._turn:
            if self._owner != os.getpid():
                _of_parents.extend(self._idle)
                self._idle.clear()
                self._owner = os.getpid()
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _open(self) -> Connection:
        # Statements are not prepared: connection poolers can't keep them apart.
        connection = _Impatient.connect(
            self._address, autocommit=True, prepare_threshold=None, cursor_factory=MaskingCursor
        )
        try:
            connection.execute(_PREPARE)
            with suppress(psycopg.DatabaseError):  # Not every server tells.
                [(connection.history,)] = connection.execute(_HISTORY).fetchall()
            if not self._is_prepared:
                self._prepare(connection)
                self._is_prepared = True
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        with connection.transaction():
            # Two who make a table at once would disturb each other, also with IF NOT EXISTS.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self._table,))
            if connection.execute("SELECT to_regclass(%s)", (self._table,)).fetchone() == (None,):
                connection.execute(self._schema.encode())
        if self._version is None:
            return
        [(found,)] = connection.execute(self._sql_of_version.encode()).fetchall()
        if found > self._version:
            raise PipelineError(
                f"The database {self._name} is of a newer pipeline: its tables are version {found}, and this one knows"
                f" version {self._version}.",
                "Use the newer pipeline, or restore the backup from before the upgrade.",
            )

    def _forget_idle(self) -> None:
        with self._turn:
            _close(self._idle)
            self._idle.clear()

    def _words(self, error: psycopg.Error) -> str:
        said = " ".join(str(error).split()) or type(error).__name__
        return said.replace(self._password, "***") if self._password else said


class _Write(Generic[_T]):
    """One transaction that is made once, however often its connection breaks."""

    def __init__(self, work: Callable[[Connection], _T], turn: str) -> None:
        self._work, self._turn = work, turn
        self._tried: tuple[str, str, _T] | None = None
        """Of a transaction that may have been committed: whose number it has, the number, and the result."""

    def __call__(self, connection: Connection) -> _T:
        if self._tried is not None:
            history, number, result = self._tried
            match self._became(connection, history, number):
                case ("committed",):
                    return result
                case ("aborted",):
                    self._tried = None
                case _:
                    raise psycopg.OperationalError("the connection broke, and whether it was written is not known")
        with connection.transaction():
            number = self._begin(connection)
            result = self._work(connection)
            self._tried = _history_of(connection), number, result
        return result

    def _became(self, connection: Connection, history: str, number: str) -> tuple[str, ...] | None:
        if _history_of(connection) != history:
            return None
        return connection.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchone()

    def _begin(self, connection: Connection) -> str:
        if self._turn:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self._turn,))
        [(number,)] = connection.execute("SELECT pg_current_xact_id()::text").fetchall()
        return number


def _history_of(connection: Connection) -> str:
    return connection.history if isinstance(connection, _Impatient) else ""


def _is_refused(error: psycopg.Error) -> bool:
    return any(words in str(error) for words in _REFUSALS)


def _close(connections: list[Connection]) -> None:
    for connection in connections:
        with suppress(psycopg.Error):
            connection.close()
