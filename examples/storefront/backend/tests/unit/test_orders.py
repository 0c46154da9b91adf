"""Orders in a real PostgreSQL."""

import asyncio
import uuid

import pytest

from storefront_backend.catalogue import Catalogue
from storefront_backend.orders import KeyReused, OrderBook

pytestmark = pytest.mark.anyio


@pytest.fixture
def orders(database) -> OrderBook:
    return OrderBook(database)


@pytest.fixture
async def lines(database):
    products = await Catalogue(database).find_each(["mug-enamel", "pan-iron"])
    return {products["mug-enamel"]: 3, products["pan-iron"]: 1}


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


async def test_a_placed_order_can_be_found_with_its_lines_and_total(orders, lines, key):
    placed = await orders.place(key, "a-cart", lines)

    found = await orders.find(placed.order.id)
    assert placed.is_new
    assert found == placed.order
    assert [(line.sku, line.quantity) for line in found.lines] == [("pan-iron", 1), ("mug-enamel", 3)]
    assert found.total_cents == 4700 + 3 * 1100


async def test_an_unknown_order_is_not_found(orders):
    assert await orders.find(uuid.uuid4()) is None


async def test_the_same_key_names_the_same_order_however_concurrently_it_is_sent(orders, lines, key):
    placed = await asyncio.gather(*(orders.place(key, "a-cart", lines) for _ in range(6)))

    assert len({one.order.id for one in placed}) == 1
    assert [one.is_new for one in placed].count(True) == 1
    assert await orders.placed_with(key, "a-cart") == placed[0].order


async def test_a_key_of_another_cart_is_refused(orders, lines, key):
    await orders.place(key, "a-cart", lines)

    with pytest.raises(KeyReused):
        await orders.place(key, "another-cart", lines)
    with pytest.raises(KeyReused):
        await orders.placed_with(key, "another-cart")
