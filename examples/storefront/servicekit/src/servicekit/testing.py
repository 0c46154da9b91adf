"""Runs an application inside a test, without a socket. Nothing in a running service imports this."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message

if TYPE_CHECKING:
    import httpx

READY_TIMEOUT_SECONDS = 10.0


@asynccontextmanager
async def lifespan_of(app: ASGIApp) -> AsyncGenerator[None]:
    """Starts an application for the length of the block and shuts it down in order.

    Raises:
        RuntimeError: where the application refuses to start.
    """
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(app(scope, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    if (answer := await from_app.get())["type"] != "lifespan.startup.complete":
        raise RuntimeError(str(answer.get("message")))
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        await running


async def until_ready(client: "httpx.AsyncClient") -> None:
    """Returns once the service says that it is ready.

    Raises:
        TimeoutError: after `READY_TIMEOUT_SECONDS`.
    """
    async with asyncio.timeout(READY_TIMEOUT_SECONDS):
        while (await client.get("/health/ready")).status_code != 200:  # noqa: ASYNC110 - only asking shows it
            await asyncio.sleep(0.01)
