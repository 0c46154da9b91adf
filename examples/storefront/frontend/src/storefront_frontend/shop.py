"""The backend, as the pages see it.

Whatever keeps the backend from answering is `Unavailable`; a request that it refuses is `Refused` with the
backend's own words; something that it does not have is `None`.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from servicekit.faults import Unavailable
from servicekit.logs import request_id

Json = dict[str, Any]


class Refused(Exception):
    """The backend did not accept a request."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Shop:
    """Asks the backend. Each method raises `Unavailable` without an answer, `Refused` where it declines."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def products(self) -> list[Json]:
        """Every product."""
        return (await self._required("GET", "/catalogue"))["products"]

    async def product(self, sku: str) -> Json | None:
        """One product."""
        return await self._ask("GET", f"/catalogue/{quote(sku, safe='')}")

    async def cart(self, cart_id: str) -> Json:
        """What is in a cart."""
        return await self._required("GET", f"/carts/{cart_id}")

    async def put(self, cart_id: str, sku: str, quantity: int) -> Json | None:
        """The cart with this quantity of the product, or nothing where there is no such product."""
        return await self._ask("POST", f"/carts/{cart_id}/items", body={"sku": sku, "quantity": quantity})

    async def order(self, cart_id: str, key: str) -> Json:
        """Orders what is in the cart; the same key never orders twice."""
        return await self._required("POST", "/orders", body={"cart_id": cart_id}, key=key)

    async def placed(self, order_id: str) -> Json | None:
        """A placed order."""
        return await self._ask("GET", f"/orders/{quote(order_id, safe='')}")

    async def ping(self) -> None:
        """Returns where the backend is ready."""
        await self._required("GET", "/health/ready")

    async def _required(self, method: str, path: str, *, body: Json | None = None, key: str = "") -> Json:
        answer = await self._ask(method, path, body=body, key=key)
        if answer is None:
            raise Unavailable("backend")
        return answer

    async def _ask(self, method: str, path: str, *, body: Json | None = None, key: str = "") -> Json | None:
        headers = {"x-request-id": request_id.get()} | ({"idempotency-key": key} if key else {})
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable("backend") from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.is_server_error:
            raise Unavailable("backend")
        content: Json = answer.json()
        if answer.is_client_error:
            raise Refused(content["error"]["message"])
        return content
