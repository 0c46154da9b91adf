"""What goes in and out as JSON: the shape of requests, answers and errors.

Pure, apart from reading a request's body. A refusal always has the form `{"error": {"code": ..., "message":
...}}`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from starlette.requests import Request

from storefront_backend.catalogue import CURRENCY, Product
from storefront_backend.orders import Order

BODY_LIMIT_BYTES = 16_384
QUANTITY_LIMIT = 99
_CART_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Refusal(Exception):
    """A request that is answered with an error, and why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


def cart_id_of(value: object) -> str:
    """A cart's id, which the client chooses.

    Raises:
        Refusal: where it is not 1 to 64 letters, digits, `-` or `_`.
    """
    if not isinstance(value, str) or not _CART_ID.fullmatch(value):
        raise Refusal(422, "invalid_cart_id", "A cart id is 1 to 64 letters, digits, '-' or '_'.")
    return value


def idempotency_key_of(request: Request) -> str | None:
    """The client's `Idempotency-Key` header, if it sent one.

    Raises:
        Refusal: where it is not 1 to 200 printable ASCII characters without spaces.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Refusal(422, "invalid_idempotency_key", "An idempotency key has 1 to 200 printable characters.")
    return key


def quantity_of(value: object) -> int:
    """How many of one product a cart is to hold.

    Raises:
        Refusal: where it is not a whole number from 0 to `QUANTITY_LIMIT`.
    """
    if type(value) is not int or not 0 <= value <= QUANTITY_LIMIT:
        raise Refusal(422, "invalid_quantity", f"A quantity is a whole number from 0 to {QUANTITY_LIMIT}.")
    return value


async def body_of(request: Request) -> Mapping[str, Any]:
    """The request's body as a JSON object.

    Raises:
        Refusal: where it is too long or not a JSON object.
    """
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > BODY_LIMIT_BYTES:
            raise Refusal(413, "body_too_large", f"A body has at most {BODY_LIMIT_BYTES} bytes.")
    try:
        value: object = json.loads(received)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_json", "The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def product_json(product: Product) -> dict[str, object]:
    """One product."""
    return {**asdict(product), "currency": CURRENCY}


def cart_json(cart_id: str, items: Mapping[str, int], products: Mapping[str, Product]) -> dict[str, object]:
    """A cart with today's names and prices; a product that is no longer sold is left out."""
    lines = [(products[sku], quantity) for sku, quantity in items.items() if sku in products]
    return {
        "id": cart_id,
        "items": [
            _line(one.sku, one.name, quantity, one.price_cents)
            for one, quantity in sorted(lines, key=lambda line: line[0].name)
        ],
        "total_cents": sum(one.price_cents * quantity for one, quantity in lines),
        "currency": CURRENCY,
    }


def order_json(order: Order) -> dict[str, object]:
    """A placed order."""
    return {
        "id": str(order.id),
        "placed_at": order.placed_at.isoformat(),
        "items": [_line(one.sku, one.name, one.quantity, one.price_cents) for one in order.lines],
        "total_cents": order.total_cents,
        "currency": CURRENCY,
    }


def _line(sku: str, name: str, quantity: int, price_cents: int) -> dict[str, object]:
    return {
        "sku": sku,
        "name": name,
        "quantity": quantity,
        "price_cents": price_cents,
        "subtotal_cents": price_cents * quantity,
    }
