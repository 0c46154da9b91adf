"""Puts the frontend together and brings it up.

A new process is not started until it has reached the backend once, so a release with a wrong address never
takes over. Readiness does not ask the backend again: taking every frontend out of service because the backend
is away would turn a friendly page into a refused connection.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

import httpx
from starlette.applications import Starlette

from servicekit.faults import Unavailable
from servicekit.health import Health, Lifecycle, operations_routes
from servicekit.metrics import ServiceMetrics
from servicekit.shell import Shell
from storefront_frontend.faults import exception_handlers
from storefront_frontend.pages import Pages
from storefront_frontend.settings import FrontendSettings
from storefront_frontend.shop import Refused, Shop
from storefront_frontend.views import Views

PACKAGE = "storefront_frontend"
CONNECT_TIMEOUT_SECONDS = 1.0
ANSWER_TIMEOUT_SECONDS = 8.0
CONNECT_RETRIES = 2
"""Only of connecting: a request that may have arrived is never sent again."""
CONNECTIONS = 64
IDLE_CONNECTION_SECONDS = 30.0
START_PAUSE_SECONDS = 0.2

_logger = logging.getLogger(__name__)


def build(settings: FrontendSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> Shell:
    """Makes the application; `transport` stands in for the network to the backend."""
    identity = settings.service.identity
    metrics, lifecycle = ServiceMetrics(identity), Lifecycle()
    timeout = httpx.Timeout(ANSWER_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    client = httpx.AsyncClient(
        base_url=settings.backend_url, transport=transport or _network(), timeout=timeout, trust_env=False
    )
    shop, views = Shop(client), Views(identity)
    routes = [*Pages(shop, views).routes(), *operations_routes(Health(lifecycle), metrics)]
    metrics.declare(routes)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        starting = asyncio.create_task(_start(shop, lifecycle))
        yield
        starting.cancel()
        await client.aclose()

    app = Starlette(routes=routes, exception_handlers=exception_handlers(views), lifespan=lifespan)
    return Shell(app, identity=identity, metrics=metrics, lifecycle=lifecycle, package=PACKAGE)


async def _start(shop: Shop, lifecycle: Lifecycle) -> None:
    while not lifecycle.started:
        try:
            await shop.ping()
            lifecycle.started = True
        except (Unavailable, Refused):
            _logger.warning("start-up is tried again", exc_info=True)
            await asyncio.sleep(START_PAUSE_SECONDS)
    _logger.info("started")


def _network() -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=IDLE_CONNECTION_SECONDS)
    return httpx.AsyncHTTPTransport(limits=limits, retries=CONNECT_RETRIES, trust_env=False)
