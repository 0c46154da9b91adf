"""A small service inside the shell, for tests of the shell alone."""

import io
import json
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from servicekit.faults import Unavailable, note_failure
from servicekit.health import Check, Health, Lifecycle, operations_routes
from servicekit.logs import configure
from servicekit.metrics import ServiceMetrics
from servicekit.settings import Identity
from servicekit.shell import Shell

IDENTITY = Identity(service="sample", version="7.1.0", track="canary", environment="test")


@pytest.fixture
def anyio_backend() -> str:
    """The services run on asyncio, so do their tests."""
    return "asyncio"


@dataclass(frozen=True)
class Sample:
    """A running sample service and what it has."""

    client: httpx.AsyncClient
    metrics: ServiceMetrics
    lifecycle: Lifecycle
    shell: Shell
    checks: dict[str, Check]


async def _item(request: Request) -> Response:
    if request.path_params["name"] == "broken":
        raise KeyError("a customer's value")
    return PlainTextResponse("an item")


async def _away(_: Request) -> Response:
    raise Unavailable("redis")


async def _answer_unavailable(request: Request, error: Exception) -> Response:
    note_failure(request.scope, error)
    return PlainTextResponse("later", 503)


@pytest.fixture
async def sample() -> AsyncGenerator[Sample]:
    """The sample service, started, with no checks yet."""
    metrics, lifecycle, checks = ServiceMetrics(IDENTITY), Lifecycle(started=True), dict[str, Check]()
    routes = [
        Route("/items/{name}", _item),
        Route("/away", _away),
        *operations_routes(Health(lifecycle, checks), metrics),
    ]
    metrics.declare(routes)
    app = Starlette(routes=routes, exception_handlers={Unavailable: _answer_unavailable})
    shell = Shell(app, identity=IDENTITY, metrics=metrics, lifecycle=lifecycle, package="conftest")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shell), base_url="http://sample") as client:
        yield Sample(client, metrics, lifecycle, shell, checks)


@pytest.fixture
def log_lines() -> Generator[Callable[[], list[dict[str, Any]]]]:
    """What was logged so far, one object a line."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure(IDENTITY, package="conftest", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
