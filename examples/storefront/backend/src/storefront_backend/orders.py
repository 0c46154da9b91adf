"""Orders in PostgreSQL.

An order is written in one transaction under the client's idempotency key: the same key, however often and
however concurrently it is sent, names the same order. Prices are those of the moment when the order was
placed.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storefront_backend.catalogue import Product
from storefront_backend.database import Connection, Database


class KeyReused(Exception):
    """The idempotency key already names an order of another cart."""


@dataclass(frozen=True)
class OrderLine:
    """One product of an order, as it was called and priced when it was placed."""

    sku: str
    name: str
    quantity: int
    price_cents: int


@dataclass(frozen=True)
class Order:
    """A placed order."""

    id: uuid.UUID
    cart_id: str
    total_cents: int
    placed_at: datetime
    lines: tuple[OrderLine, ...]


@dataclass(frozen=True)
class Placement:
    """What became of the wish to place an order."""

    order: Order
    is_new: bool
    """False where the idempotency key already named this order."""


class OrderBook:
    """Places and finds orders. Each method raises `Unavailable` while PostgreSQL is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, order_id: uuid.UUID) -> Order | None:
        """The order with this id."""
        async with self._database.connection() as connection:
            return await _order_where(connection, "id", order_id)

    async def placed_with(self, key: str, cart_id: str) -> Order | None:
        """The order that this idempotency key names, if it was already used.

        Raises:
            KeyReused: where it names an order of another cart.
        """
        async with self._database.connection() as connection:
            return _of_cart(await _order_where(connection, "idempotency_key", key), cart_id)

    async def place(self, key: str, cart_id: str, lines: Mapping[Product, int]) -> Placement:
        """Writes an order of `lines` (quantity by product), or returns the one that `key` already names.

        Raises:
            KeyReused: where the key names an order of another cart.
        """
        order_id = uuid.uuid4()
        total_cents = sum(product.price_cents * quantity for product, quantity in lines.items())
        async with self._database.connection() as connection, connection.transaction():
            created = await connection.fetchval(
                "INSERT INTO orders (id, idempotency_key, cart_id, total_cents) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (idempotency_key) DO NOTHING RETURNING id",
                order_id,
                key,
                cart_id,
                total_cents,
            )
            if created is not None:
                await connection.executemany(
                    "INSERT INTO order_lines (order_id, sku, name, quantity, price_cents)"
                    " VALUES ($1, $2, $3, $4, $5)",
                    [(order_id, one.sku, one.name, count, one.price_cents) for one, count in lines.items()],
                )
            order = _of_cart(await _order_where(connection, "idempotency_key", key), cart_id)
        if order is None:
            raise LookupError("an order that was just written is not there")
        return Placement(order, is_new=created is not None)


def _of_cart(order: Order | None, cart_id: str) -> Order | None:
    if order is not None and order.cart_id != cart_id:
        raise KeyReused
    return order


_BY = {
    "id": "SELECT id, cart_id, total_cents, placed_at FROM orders WHERE id = $1",
    "idempotency_key": "SELECT id, cart_id, total_cents, placed_at FROM orders WHERE idempotency_key = $1",
}


async def _order_where(connection: Connection, column: str, value: object) -> Order | None:
    row = await connection.fetchrow(_BY[column], value)
    if row is None:
        return None
    lines = await connection.fetch(
        "SELECT sku, name, quantity, price_cents FROM order_lines WHERE order_id = $1 ORDER BY name, sku",
        row["id"],
    )
    return Order(
        id=row["id"],
        cart_id=row["cart_id"],
        total_cents=row["total_cents"],
        placed_at=row["placed_at"],
        lines=tuple(OrderLine(**dict(line)) for line in lines),
    )
