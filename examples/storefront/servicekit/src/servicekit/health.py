"""Whether this process has started, may be sent requests, and is alive: three questions with three answers.

- startup: has everything that must exist before the first request been made?
- readiness: may requests be sent here now? No before start, no from the first moment of a drain, and no while
  something that every request needs is away.
- liveness: does the event loop answer? It looks at nothing outside, because a restart mends nothing outside.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from servicekit.metrics import CONTENT_TYPE, ServiceMetrics

Check = Callable[[], Awaitable[None]]
"""Returns where the thing can be used, raises where it cannot."""

CHECK_TIMEOUT_SECONDS = 1.0
RETRY_AFTER = {"retry-after": "1"}


@dataclass
class Lifecycle:
    """Where the process is between its start and its end. Changed by the service and by the drain only."""

    started: bool = False
    draining: bool = False


@dataclass(frozen=True)
class Health:
    """Answers the three questions."""

    lifecycle: Lifecycle
    checks: Mapping[str, Check] = field(default_factory=dict[str, Check])

    async def startup(self, _: Request) -> Response:
        """200 once the service has started."""
        return _answer(self.lifecycle.started, "started", {})

    async def live(self, _: Request) -> Response:
        """200 as long as this process can answer at all."""
        return _answer(True, "alive", {})

    async def ready(self, _: Request) -> Response:
        """200 when requests may be sent here; otherwise 503 with what is missing."""
        results = dict(
            zip(self.checks, await asyncio.gather(*map(_outcome, self.checks.values())), strict=True)
        )
        if self.lifecycle.draining:
            results["drain"] = "this process is shutting down"
        if not self.lifecycle.started:
            results["startup"] = "this process has not finished starting"
        return _answer(all(result == "ok" for result in results.values()), "ready", results)


def operations_routes(health: Health, metrics: ServiceMetrics) -> list[Route]:
    """The routes for operators, the same in every service."""

    async def expose(_: Request) -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return [
        Route("/health/startup", health.startup),
        Route("/health/ready", health.ready),
        Route("/health/live", health.live),
        Route("/metrics", expose),
    ]


async def _outcome(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check()
    except Exception as error:
        return f"failed: {type(error).__name__}"
    return "ok"


def _answer(good: bool, word: str, checks: Mapping[str, str]) -> Response:
    body = {"status": word if good else f"not {word}", "checks": dict(checks)}
    return JSONResponse(body) if good else JSONResponse(body, 503, RETRY_AFTER)
