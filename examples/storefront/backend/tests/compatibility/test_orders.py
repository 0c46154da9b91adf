"""Orders in PostgreSQL: what one version has placed is the same order for the other."""

import uuid

import httpx


def test_an_order_that_one_version_has_placed_is_shown_by_the_other(shops, cart_id, writer, reader):
    order = placed(shops[writer], cart_id, uuid.uuid4().hex)

    assert told_of(shops[reader].get(f"/orders/{order['id']}")) == told_of(order)


def test_an_impatient_customer_who_meets_both_versions_pays_once(shops, cart_id, writer, reader):
    key = uuid.uuid4().hex
    order = placed(shops[writer], cart_id, key)

    again = shops[reader].post("/orders", json={"cart_id": cart_id}, headers={"idempotency-key": key})

    assert told_of(again) == told_of(order)


def test_both_versions_sell_the_same_products(shops):
    assert prices(shops["new"]) == prices(shops["running"]) != {}


def placed(shop: httpx.Client, cart_id: str, key: str) -> dict:
    """An order of one product, placed with this key."""
    shop.post(f"/carts/{cart_id}/items", json={"sku": "pan-iron", "quantity": 2}).raise_for_status()
    answer = shop.post("/orders", json={"cart_id": cart_id}, headers={"idempotency-key": key})
    assert answer.status_code == 201, answer.text
    return answer.json()


def told_of(order: dict | httpx.Response) -> tuple:
    """What may not differ between versions; a newer one may well say more."""
    if isinstance(order, httpx.Response):
        assert order.is_success, order.text
        order = order.json()
    lines = [(line["sku"], line["quantity"], line["subtotal_cents"]) for line in order["items"]]
    return order["id"], lines, order["total_cents"]


def prices(shop: httpx.Client) -> dict[str, int]:
    """Price in cents by product number."""
    products = shop.get("/catalogue").raise_for_status().json()["products"]
    return {product["sku"]: product["price_cents"] for product in products}
