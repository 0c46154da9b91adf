"""Replicas that start together on an empty database."""

import asyncio
import uuid

import pytest

from storefront_backend.catalogue import Catalogue
from storefront_backend.database import Database
from storefront_backend.schema import apply_schema

pytestmark = pytest.mark.anyio


async def test_replicas_that_start_together_make_the_schema_once(stores, database):
    name = f"empty_{uuid.uuid4().hex}"
    async with database.connection() as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    replicas = [Database(stores.database_url.replace("/postgres?", f"/{name}?")) for _ in range(3)]
    await asyncio.gather(*(one.connect() for one in replicas))

    await asyncio.gather(*(apply_schema(one) for one in replicas))

    assert len(await Catalogue(replicas[0]).all()) == 12
    await asyncio.gather(*(one.close() for one in replicas))


async def test_a_changed_product_survives_the_next_start(database):
    async with database.connection() as connection:
        await connection.execute("UPDATE products SET price_cents = 800 WHERE sku = 'jar-preserve'")

    await apply_schema(database)

    product = await Catalogue(database).find("jar-preserve")
    assert product is not None
    assert product.price_cents == 800
