"""The page of the pipeline's own metrics, for Prometheus. It tells names of services, stages and gates, and numbers."""

import threading
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shopkart_pipeline.adapters.prometheus_text import CONTENT_TYPE


def create_exporter(page: Callable[[], str]) -> Starlette:
    """The exporter as an ASGI application.

    Args:
        page: gives the text; called in a thread, by one at a time.
    """
    turn = threading.Lock()

    def metrics(_: Request) -> Response:
        with turn:
            text = page()
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    routes = [Route("/metrics", metrics, methods=["GET"]), Route("/health/live", live, methods=["GET"])]
    return Starlette(routes=routes)
