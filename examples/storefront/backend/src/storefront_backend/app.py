"""Puts the backend together and brings it up.

The process listens before Redis and PostgreSQL answer and goes on when they leave: start-up is tried again
until the schema is there, and each request that needs a missing store is answered with 503 and `Retry-After`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from starlette.applications import Starlette

from servicekit.health import Health, Lifecycle, operations_routes
from servicekit.logs import with_fields
from servicekit.metrics import ServiceMetrics
from servicekit.shell import Shell
from storefront_backend.api import Api
from storefront_backend.carts import CartStore
from storefront_backend.catalogue import Catalogue
from storefront_backend.database import POOL_SIZE, Database
from storefront_backend.faults import exception_handlers
from storefront_backend.orders import OrderBook
from storefront_backend.schema import apply_schema
from storefront_backend.settings import BackendSettings

PACKAGE = "storefront_backend"
REDIS_CONNECT_TIMEOUT_SECONDS = 1.0
REDIS_COMMAND_TIMEOUT_SECONDS = 2.0
REDIS_CONNECTIONS = 64
REDIS_RETRIES = 2
REDIS_RETRY_PAUSE_SECONDS = 0.05
FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 2.0

_logger = logging.getLogger(__name__)


def build(settings: BackendSettings) -> Shell:
    """Makes the application; nothing is connected until its lifespan begins."""
    metrics, lifecycle = ServiceMetrics(settings.service.identity), Lifecycle()
    database, redis = Database(settings.database_url), _redis(settings.redis_url)
    carts = CartStore(redis, on_unreadable=_add_metrics(metrics, database).inc)
    health = Health(lifecycle, {"redis": carts.ping, "postgresql": database.ping})
    routes = [
        *Api(Catalogue(database), carts, OrderBook(database)).routes(),
        *operations_routes(health, metrics),
    ]
    metrics.declare(routes)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        starting = asyncio.create_task(_start(database, lifecycle))
        yield
        starting.cancel()
        await database.close()
        await redis.aclose()

    app = Starlette(routes=routes, exception_handlers=exception_handlers(), lifespan=lifespan)
    return Shell(
        app, identity=settings.service.identity, metrics=metrics, lifecycle=lifecycle, package=PACKAGE
    )


async def _start(database: Database, lifecycle: Lifecycle) -> None:
    pause_seconds = FIRST_RETRY_SECONDS
    while not lifecycle.started:
        try:
            await database.connect()
            await apply_schema(database)
            lifecycle.started = True
        except Exception:
            # Not only Unavailable: whatever it is, the startup probe decides how long it may last.
            fields = with_fields(retry_in_seconds=pause_seconds)
            _logger.warning("start-up is tried again", exc_info=True, extra=fields)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LAST_RETRY_SECONDS)
    _logger.info("started")


def _redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        protocol=2,
        max_connections=REDIS_CONNECTIONS,
        retry=Retry(ConstantBackoff(REDIS_RETRY_PAUSE_SECONDS), REDIS_RETRIES),
        socket_connect_timeout=REDIS_CONNECT_TIMEOUT_SECONDS,
        socket_timeout=REDIS_COMMAND_TIMEOUT_SECONDS,
    )


def _add_metrics(metrics: ServiceMetrics, database: Database) -> Counter:
    """Adds what only the backend measures; returns the counter of carts that were set aside."""
    Gauge(
        "storefront_db_pool_connections_in_use",
        "Connections to PostgreSQL that a request holds now.",
        registry=metrics.registry,
    ).set_function(lambda: database.connections_in_use)
    Gauge(
        "storefront_db_pool_connections_limit",
        "The most connections to PostgreSQL that this process opens.",
        registry=metrics.registry,
    ).set(POOL_SIZE)
    return Counter(
        "storefront_carts_unreadable",
        "Stored carts that this version could not read and has set aside.",
        registry=metrics.registry,
    )
