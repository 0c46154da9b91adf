"""The products that the shop sells, read from PostgreSQL."""

from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg

from storefront_backend.database import Database

CURRENCY = "EUR"


@dataclass(frozen=True)
class Product:
    """One product as customers see it."""

    sku: str
    name: str
    description: str
    price_cents: int


class Catalogue:
    """Reads products. Each method raises `Unavailable` while PostgreSQL is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Product]:
        """Every product, by name."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT sku, name, description, price_cents FROM products ORDER BY name, sku"
            )
        return [_product(row) for row in rows]

    async def find(self, sku: str) -> Product | None:
        """The product with this number, if the shop sells it."""
        return (await self.find_each([sku])).get(sku)

    async def find_each(self, skus: Iterable[str]) -> dict[str, Product]:
        """Those of `skus` that the shop sells, by number."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT sku, name, description, price_cents FROM products WHERE sku = ANY($1::text[])",
                list(skus),
            )
        return {row["sku"]: _product(row) for row in rows}


def _product(row: asyncpg.Record) -> Product:
    return Product(row["sku"], row["name"], row["description"], row["price_cents"])
