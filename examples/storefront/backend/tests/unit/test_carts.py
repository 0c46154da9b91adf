"""Carts in a real Redis."""

import asyncio
import json
import logging

import pytest

from servicekit.faults import Unavailable
from storefront_backend.carts import TIME_TO_LIVE_SECONDS, CartStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def unreadable() -> list[str]:
    """One entry for each cart that was set aside."""
    return []


@pytest.fixture
def carts(redis, unreadable) -> CartStore:
    return CartStore(redis, on_unreadable=lambda: unreadable.append("one"))


async def test_a_cart_that_nobody_used_is_empty(carts, cart_id):
    assert await carts.read(cart_id) == {}


async def test_a_quantity_is_set_changed_and_taken_out(carts, cart_id):
    await carts.put(cart_id, "mug-enamel", 2)
    await carts.put(cart_id, "pan-iron", 1)
    await carts.put(cart_id, "mug-enamel", 5)
    assert await carts.put(cart_id, "pan-iron", 0) == {"mug-enamel": 5}

    assert await carts.read(cart_id) == {"mug-enamel": 5}


async def test_a_cart_expires_and_each_change_starts_its_time_anew(carts, cart_id, redis):
    await carts.put(cart_id, "mug-enamel", 2)
    await redis.expire(f"cart:{cart_id}", 60)

    await carts.put(cart_id, "mug-enamel", 3)

    assert await redis.ttl(f"cart:{cart_id}") > TIME_TO_LIVE_SECONDS - 60


async def test_a_removed_cart_is_empty_and_may_be_removed_again(carts, cart_id):
    await carts.put(cart_id, "mug-enamel", 2)

    await carts.remove(cart_id)
    await carts.remove(cart_id)

    assert await carts.read(cart_id) == {}


async def test_changes_at_the_same_moment_all_count(carts, cart_id):
    skus = [f"product-{number}" for number in range(10)]

    await asyncio.gather(*(carts.put(cart_id, sku, 1) for sku in skus))

    assert await carts.read(cart_id) == dict.fromkeys(skus, 1)


@pytest.mark.parametrize("stored", [b"\x02compact", b'{"format": 2, "items": {}}', b"null"])
async def test_a_cart_of_another_version_is_set_aside_and_the_customer_goes_on(
    stored, carts, cart_id, redis, unreadable
):
    await redis.set(f"cart:{cart_id}", stored, ex=60)

    assert await carts.read(cart_id) == {}
    assert await carts.put(cart_id, "mug-enamel", 1) == {"mug-enamel": 1}

    (aside,) = await redis.keys(f"cart:unreadable:{cart_id}:*")
    assert await redis.get(aside) == stored
    assert await redis.ttl(aside) == -1, "what was set aside must not expire"
    assert unreadable == ["one"]


async def test_an_unreadable_cart_is_replaced_by_the_first_change(carts, cart_id, redis, unreadable):
    await redis.set(f"cart:{cart_id}", b"not a cart")

    assert await carts.put(cart_id, "mug-enamel", 4) == {"mug-enamel": 4}

    assert json.loads(await redis.get(f"cart:{cart_id}"))["items"] == {"mug-enamel": 4}
    assert unreadable == ["one"]


async def test_a_value_of_another_redis_type_is_set_aside_too(carts, cart_id, redis, unreadable):
    await redis.hset(f"cart:{cart_id}", mapping={"mug-enamel": 1})

    assert await carts.read(cart_id) == {}

    assert len(await redis.keys(f"cart:unreadable:{cart_id}:*")) == 1
    assert unreadable == ["one"]


async def test_replicas_that_meet_an_unreadable_cart_together_set_it_aside_once(carts, cart_id, redis):
    await redis.set(f"cart:{cart_id}", b"not a cart")

    assert await asyncio.gather(*(carts.read(cart_id) for _ in range(10))) == [{}] * 10

    assert len(await redis.keys(f"cart:unreadable:{cart_id}:*")) == 1


async def test_the_log_names_the_signature_and_not_the_cart(carts, cart_id, redis, caplog):
    await redis.set(f"cart:{cart_id}", b"not a cart")

    with caplog.at_level(logging.ERROR):
        await carts.read(cart_id)

    (record,) = caplog.records
    assert record.fields["error_signature"] == "cart_unreadable"
    assert cart_id not in str(record.fields)


async def test_a_redis_that_is_away_is_unavailable_not_an_empty_cart(carts, cart_id, monkeypatch):
    async def refused(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(carts._redis, "get", refused)

    with pytest.raises(Unavailable):
        await carts.read(cart_id)
