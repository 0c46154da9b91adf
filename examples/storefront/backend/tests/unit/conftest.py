"""The application over a real Redis and a real PostgreSQL, started once for all unit tests."""

import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from real_servers import Stores, running_stores
from redis.asyncio import Redis

from servicekit.testing import lifespan_of, until_ready
from storefront_backend.app import build
from storefront_backend.database import Database
from storefront_backend.schema import apply_schema
from storefront_backend.settings import read_settings


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The services run on asyncio, so do their tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def stores() -> Generator[Stores]:
    """A real Redis and a real PostgreSQL for the whole session."""
    with running_stores() as stores:
        yield stores


Opened = AbstractAsyncContextManager[httpx.AsyncClient]


@pytest.fixture
def opened() -> Callable[[str, str], Opened]:
    """Opens a shop over the given stores, without waiting for it to be ready."""

    @asynccontextmanager
    async def open_shop(redis_url: str, database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
        environment = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "SHOPKART_VERSION": "9.9.9"}
        shell = build(read_settings(environment))
        async with (
            lifespan_of(shell),
            httpx.AsyncClient(transport=httpx.ASGITransport(shell), base_url="http://shop") as client,
        ):
            yield client

    return open_shop


@pytest.fixture
async def shop(stores: Stores, opened: Callable[[str, str], Opened]) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the whole application, ready."""
    async with opened(stores.redis_url, stores.database_url) as client:
        await until_ready(client)
        yield client


@pytest.fixture
async def database(stores: Stores) -> AsyncGenerator[Database]:
    """A pool of its own on a database with schema and products."""
    database = Database(stores.database_url)
    await database.connect()
    await apply_schema(database)
    yield database
    await database.close()


@pytest.fixture
async def redis(stores: Stores) -> AsyncGenerator[Redis]:
    """Redis itself, to see and to change what is stored."""
    async with Redis.from_url(stores.redis_url, protocol=2) as client:
        yield client


@pytest.fixture
def cart_id() -> str:
    """A cart that no other test uses."""
    return f"cart-{uuid.uuid4().hex}"
