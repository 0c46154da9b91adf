"""A service with one slow route, run as a process by the tests of the drain."""

import asyncio
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from servicekit.health import Health, Lifecycle, operations_routes
from servicekit.logs import configure
from servicekit.metrics import ServiceMetrics
from servicekit.server import serve
from servicekit.settings import Variables, read_service
from servicekit.shell import Shell


async def slow(request: Request) -> Response:
    """Answers after the given time."""
    await asyncio.sleep(float(request.query_params.get("seconds", "0")))
    return PlainTextResponse("answered")


if __name__ == "__main__":
    settings = read_service(Variables(os.environ), "slow", default_port=0)
    metrics, lifecycle = ServiceMetrics(settings.identity), Lifecycle(started=True)
    configure(settings.identity, package="slow_service")
    routes = [Route("/slow", slow), *operations_routes(Health(lifecycle), metrics)]
    shell = Shell(
        Starlette(routes=routes),
        identity=settings.identity,
        metrics=metrics,
        lifecycle=lifecycle,
        package="slow_service",
    )
    raise SystemExit(serve(shell, settings))
