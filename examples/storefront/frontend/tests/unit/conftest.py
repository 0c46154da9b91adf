"""The frontend over a backend that lives in the test's memory and can be told to fail."""

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from servicekit.testing import lifespan_of, until_ready
from storefront_frontend.app import build
from storefront_frontend.settings import read_settings

MUG = {
    "sku": "mug",
    "name": "Mug <b>blue</b>",
    "description": "Enamel.",
    "price_cents": 110_050,
    "currency": "EUR",
}


@dataclass
class Backend:
    """Speaks the backend's contract for one product."""

    away: bool = False
    carts: dict[str, int] = field(default_factory=dict[str, int])
    orders: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    request_ids: list[str] = field(default_factory=list[str])

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/health/ready", self._answer({"status": "ready"})),
                Route("/catalogue", self._answer({"products": [MUG]})),
                Route("/catalogue/{sku}", self.product),
                Route("/carts/{cart_id}", self.cart),
                Route("/carts/{cart_id}/items", self.put, methods=["POST"]),
                Route("/orders", self.order, methods=["POST"]),
                Route("/orders/{order_id}", self.placed),
            ]
        )

    async def product(self, request: Request) -> Response:
        return JSONResponse(MUG, 200 if request.path_params["sku"] == "mug" else 404)

    async def cart(self, request: Request) -> Response:
        return self._cart(request.path_params["cart_id"])

    async def put(self, request: Request) -> Response:
        body = await request.json()
        if body["sku"] != "mug":
            return JSONResponse({}, 404)
        self.carts[request.path_params["cart_id"]] = body["quantity"]
        return self._cart(request.path_params["cart_id"])

    async def order(self, request: Request) -> Response:
        key, cart_id = request.headers["idempotency-key"], (await request.json())["cart_id"]
        if key not in self.orders:
            quantity = self.carts.pop(cart_id, 0)
            if not quantity:
                return JSONResponse(
                    {"error": {"code": "cart_empty", "message": "Nothing in this cart."}}, 409
                )
            self.orders[key] = {"id": str(uuid.uuid4()), **lines(quantity)}
        return JSONResponse(self.orders[key], 201)

    async def placed(self, request: Request) -> Response:
        found = [one for one in self.orders.values() if one["id"] == request.path_params["order_id"]]
        return JSONResponse(found[0]) if found else JSONResponse({}, 404)

    def _cart(self, cart_id: str) -> Response:
        return JSONResponse({"id": cart_id, **lines(self.carts.get(cart_id, 0))})

    def _answer(self, content: dict[str, Any]) -> Any:
        async def answer(request: Request) -> Response:
            self.request_ids.append(request.headers.get("x-request-id", ""))
            return JSONResponse(content, 503 if self.away else 200)

        return answer


def lines(quantity: int) -> dict[str, Any]:
    """A cart's or an order's content."""
    total = quantity * 110_050
    line = {"sku": "mug", "name": MUG["name"], "quantity": quantity, "subtotal_cents": total}
    return {"items": [line] if quantity else [], "total_cents": total}


@pytest.fixture
def anyio_backend() -> str:
    """The services run on asyncio, so do their tests."""
    return "asyncio"


@pytest.fixture
def backend() -> Backend:
    """The backend of one test."""
    return Backend()


Opened = Callable[[httpx.AsyncBaseTransport | None], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def opened() -> Opened:
    """Opens a frontend that reaches its backend through the given transport, or else the network."""

    @asynccontextmanager
    async def open_frontend(transport: httpx.AsyncBaseTransport | None) -> AsyncGenerator[httpx.AsyncClient]:
        environment = {"BACKEND_URL": "http://127.0.0.1:9", "SHOPKART_VERSION": "9.9.9"}
        shell = build(read_settings(environment), transport=transport)
        to_shell = httpx.ASGITransport(shell)
        browser = httpx.AsyncClient(transport=to_shell, base_url="http://shop")
        async with lifespan_of(shell), browser:
            yield browser

    return open_frontend


@pytest.fixture
async def browser(opened: Opened, backend: Backend) -> AsyncGenerator[httpx.AsyncClient]:
    """A browser of a frontend that is ready."""
    async with opened(httpx.ASGITransport(backend.app())) as client:
        await until_ready(client)
        yield client
