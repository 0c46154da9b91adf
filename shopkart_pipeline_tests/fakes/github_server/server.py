"""Serves a world on a free port of this machine, for as long as a test needs it."""

import socket
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shopkart_pipeline_tests.fakes.github_server import (
    apps,
    comments,
    commits,
    deployments,
    hooks,
    issues,
    protection,
    pulls,
    scanning,
)
from shopkart_pipeline_tests.fakes.github_server.serving import Endpoint, serve
from shopkart_pipeline_tests.fakes.github_server.world import GitHubWorld


class DroppableProtocol(HttpToolsProtocol):
    """Lets a request drop its connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope: Any
        self.scope["transport"] = self.transport


def every_endpoint() -> list[Endpoint]:
    """All that this GitHub can do."""
    groups = (apps, commits, deployments, comments, issues, scanning, pulls, protection, hooks)
    return [endpoint for group in groups for endpoint in group.ENDPOINTS]


@contextmanager
def running_github(world: GitHubWorld, endpoints: Sequence[Endpoint] = ()) -> Generator[str]:
    """Serve a world; gives the address of its API.

    Args:
        world: what it knows and remembers.
        endpoints: more than the usual ones.
    """
    known = [*every_endpoint(), *endpoints]

    async def answer(request: Request) -> Response:
        return await serve(world, known, request)

    methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    application = Starlette(routes=[Route("/{path:path}", answer, methods=methods)])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        settings = uvicorn.Config(application, http=DroppableProtocol, ws="none", lifespan="off", log_level="critical")
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
