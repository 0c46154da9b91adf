"""Connections to PostgreSQL, and the difference between "it is away" and "we asked wrongly".

The pool is made once PostgreSQL answers, however late that is. Every failure to reach it, in whatever shape
the driver reports it, leaves here as `Unavailable`; every other error is ours and passes through.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from servicekit.faults import Unavailable

POOL_SIZE = 8
CONNECT_TIMEOUT_SECONDS = 2.0
ACQUIRE_TIMEOUT_SECONDS = 2.0
COMMAND_TIMEOUT_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 2.0

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)

Connection = PoolConnectionProxy


class Database:
    """The one pool of this process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def connect(self) -> None:
        """Makes the pool, unless there is one.

        Raises:
            Unavailable: while PostgreSQL does not answer; call again later.
        """
        if self._pool is not None:
            return
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT_SECONDS,
                command_timeout=COMMAND_TIMEOUT_SECONDS,
            )
        except _AWAY as error:
            raise Unavailable("postgresql") from error

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """One connection for the length of the block.

        Raises:
            Unavailable: where PostgreSQL could not be reached, or went away within the block.
        """
        if self._pool is None:
            raise Unavailable("postgresql")
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
                yield connection
        except _AWAY as error:
            raise Unavailable("postgresql") from error

    async def ping(self) -> None:
        """Returns where PostgreSQL answers.

        Raises:
            Unavailable: where it does not.
        """
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")

    async def close(self) -> None:
        """Closes the pool within `CLOSE_TIMEOUT_SECONDS`, by force if need be."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    @property
    def connections_in_use(self) -> int:
        """Connections that a request holds now."""
        return self._pool.get_size() - self._pool.get_idle_size() if self._pool is not None else 0
