"""How a cart is written in Redis: JSON that says which format it is in.

Pure. Two versions of this service share one Redis during every rollout and every rollback, so a value found
there may have been written by an older or a newer version; what cannot be read is reported as such, never
guessed at.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

FORMAT = 1

Items = Mapping[str, int]
"""Quantity by product number; every quantity is at least 1."""


class UnreadableCart(Exception):
    """A stored value is not a cart in a format that this version knows."""


def encode(items: Items) -> bytes:
    """Writes a cart."""
    return json.dumps({"format": FORMAT, "items": dict(items)}, separators=(",", ":")).encode()


def decode(stored: bytes) -> dict[str, int]:
    """Reads a cart.

    Raises:
        UnreadableCart: where the value is not a cart of format 1.
    """
    try:
        value: Any = json.loads(stored)
    except ValueError as error:
        raise UnreadableCart("the value is not JSON") from error
    if not isinstance(value, dict):
        raise UnreadableCart("the value is not an object")
    cart = cast("dict[str, Any]", value)
    if cart.get("format") != FORMAT:
        raise UnreadableCart("the value is in another format")
    return _items(cart.get("items"))


def _items(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise UnreadableCart("the items are not an object")
    items = cast("dict[str, object]", value)
    for quantity in items.values():
        if type(quantity) is not int or quantity < 1:
            raise UnreadableCart("a quantity is not a positive number")
    return cast("dict[str, int]", items)
