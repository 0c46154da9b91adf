"""The whole application, asked as a client asks it."""

import uuid

import pytest

pytestmark = pytest.mark.anyio


async def test_the_catalogue_lists_every_product_by_name(shop):
    products = (await shop.get("/catalogue")).json()["products"]

    assert len(products) == 12
    assert [one["name"] for one in products] == sorted(one["name"] for one in products)
    assert all(one["currency"] == "EUR" for one in products)


async def test_one_product_is_shown_and_an_unknown_one_is_not_found(shop):
    assert (await shop.get("/catalogue/mug-enamel")).json()["price_cents"] == 1100

    answer = await shop.get("/catalogue/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_product")


async def test_a_cart_shows_names_prices_and_total(shop, cart_id):
    await shop.post(f"/carts/{cart_id}/items", json={"sku": "mug-enamel", "quantity": 2})

    cart = (await shop.post(f"/carts/{cart_id}/items", json={"sku": "bowl-stone", "quantity": 1})).json()

    assert cart == (await shop.get(f"/carts/{cart_id}")).json()
    assert [(one["name"], one["quantity"]) for one in cart["items"]] == [
        ("Enamel mug", 2),
        ("Stoneware bowl", 1),
    ]
    assert cart["total_cents"] == 2 * 1100 + 2600


async def test_a_deleted_cart_is_empty(shop, cart_id):
    await shop.post(f"/carts/{cart_id}/items", json={"sku": "mug-enamel", "quantity": 2})

    assert (await shop.delete(f"/carts/{cart_id}")).status_code == 204

    assert (await shop.get(f"/carts/{cart_id}")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b'{"sku": "mug-enamel"}', 422, "invalid_quantity"),
        (b'{"sku": "mug-enamel", "quantity": -1}', 422, "invalid_quantity"),
        (b'{"sku": "mug-enamel", "quantity": 100}', 422, "invalid_quantity"),
        (b'{"sku": "mug-enamel", "quantity": true}', 422, "invalid_quantity"),
        (b'{"sku": "nothing", "quantity": 1}', 404, "unknown_product"),
        (b" " * 20_000, 413, "body_too_large"),
    ],
)
async def test_a_wrong_item_is_refused_with_a_reason(shop, cart_id, body, status, code):
    answer = await shop.post(f"/carts/{cart_id}/items", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (await shop.get(f"/carts/{cart_id}")).json()["items"] == []


async def test_a_cart_id_with_other_characters_is_refused(shop):
    for cart_id in ("a:b", "a" * 65, "unreadable:x"):
        assert (await shop.get(f"/carts/{cart_id}")).status_code == 422


async def test_an_order_takes_what_is_in_the_cart_and_empties_it(shop, cart_id):
    await shop.post(f"/carts/{cart_id}/items", json={"sku": "mug-enamel", "quantity": 2})

    answer = await shop.post("/orders", json={"cart_id": cart_id})

    assert answer.status_code == 201
    assert answer.json()["total_cents"] == 2200
    assert (await shop.get(answer.headers["location"])).json() == answer.json()
    assert (await shop.get(f"/carts/{cart_id}")).json()["items"] == []


async def test_an_order_that_is_sent_again_is_the_same_order(shop, cart_id):
    headers = {"idempotency-key": uuid.uuid4().hex}
    await shop.post(f"/carts/{cart_id}/items", json={"sku": "mug-enamel", "quantity": 2})
    first = await shop.post("/orders", json={"cart_id": cart_id}, headers=headers)

    again = await shop.post("/orders", json={"cart_id": cart_id}, headers=headers)
    await shop.post(f"/carts/{cart_id}/items", json={"sku": "pan-iron", "quantity": 1})
    later = await shop.post("/orders", json={"cart_id": cart_id}, headers=headers)

    assert first.json() == again.json() == later.json()
    assert len((await shop.get(f"/carts/{cart_id}")).json()["items"]) == 1, "the new cart was not ordered"


async def test_an_empty_cart_cannot_be_ordered(shop, cart_id):
    answer = await shop.post("/orders", json={"cart_id": cart_id})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "cart_empty")


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ({}, {}, "invalid_cart_id"),
        ({"cart_id": 7}, {}, "invalid_cart_id"),
        ({"cart_id": "c"}, {"idempotency-key": "k" * 201}, "invalid_idempotency_key"),
    ],
)
async def test_a_wrong_order_is_refused_with_a_reason(shop, body, headers, code):
    answer = await shop.post("/orders", json=body, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


async def test_a_key_of_another_cart_is_refused(shop, cart_id):
    headers = {"idempotency-key": uuid.uuid4().hex}
    for cart in (cart_id, cart_id + "-2"):
        await shop.post(f"/carts/{cart}/items", json={"sku": "mug-enamel", "quantity": 1})
        answer = await shop.post("/orders", json={"cart_id": cart}, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_key_reused")


async def test_unknown_orders_paths_and_methods_are_refused_as_json(shop):
    assert (await shop.get(f"/orders/{uuid.uuid4()}")).json()["error"]["code"] == "unknown_order"
    assert (await shop.get("/orders/seven")).json()["error"]["code"] == "not_found"
    assert (await shop.put("/catalogue")).json()["error"]["code"] == "method_not_allowed"


async def test_an_unreadable_cart_costs_no_request_and_is_counted(shop, cart_id, redis):
    await redis.set(f"cart:{cart_id}", b"\x02compact")

    answer = await shop.get(f"/carts/{cart_id}")

    assert (answer.status_code, answer.json()["items"]) == (200, [])
    assert "\nstorefront_carts_unreadable_total 1.0\n" in (await shop.get("/metrics")).text


async def test_the_pool_is_measured(shop):
    exposition = (await shop.get("/metrics")).text

    assert "\nstorefront_db_pool_connections_in_use 0.0\n" in exposition
    assert "\nstorefront_db_pool_connections_limit 8.0\n" in exposition
