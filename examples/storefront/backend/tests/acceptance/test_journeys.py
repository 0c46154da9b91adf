"""Customers' journeys through the deployed shop."""

import uuid

import pytest


@pytest.fixture
def cart_id() -> str:
    """A new customer's cart."""
    return f"acceptance-{uuid.uuid4().hex}"


def test_a_customer_browses_fills_a_cart_changes_their_mind_and_orders(deployed, cart_id):
    products = deployed.get("/catalogue").json()["products"]
    chosen, dropped = products[0], products[1]
    assert deployed.get(f"/catalogue/{chosen['sku']}").json()["name"] == chosen["name"]

    put(deployed, cart_id, chosen["sku"], 1)
    put(deployed, cart_id, dropped["sku"], 2)
    put(deployed, cart_id, chosen["sku"], 3)
    cart = put(deployed, cart_id, dropped["sku"], 0)
    assert cart["total_cents"] == 3 * chosen["price_cents"]

    order = deployed.post("/orders", json={"cart_id": cart_id}).json()
    assert [(line["sku"], line["quantity"]) for line in order["items"]] == [(chosen["sku"], 3)]
    assert order["total_cents"] == cart["total_cents"]
    assert deployed.get(f"/carts/{cart_id}").json()["items"] == []


def test_a_customer_who_comes_back_finds_the_cart_as_it_was(deployed, cart_id):
    left = put(deployed, cart_id, "teapot-glass", 2)

    assert deployed.get(f"/carts/{cart_id}").json() == left


def test_two_customers_do_not_share_a_cart(deployed, cart_id):
    put(deployed, cart_id, "teapot-glass", 2)

    assert deployed.get(f"/carts/{cart_id}-other").json()["items"] == []


def test_an_impatient_customer_who_orders_twice_pays_once(deployed, cart_id):
    headers = {"idempotency-key": uuid.uuid4().hex}
    put(deployed, cart_id, "kettle-steel", 1)

    orders = [deployed.post("/orders", json={"cart_id": cart_id}, headers=headers).json() for _ in range(2)]

    assert orders[0] == orders[1]


def put(deployed, cart_id: str, sku: str, quantity: int) -> dict:
    """The cart after the change."""
    answer = deployed.post(f"/carts/{cart_id}/items", json={"sku": sku, "quantity": quantity})
    assert answer.status_code == 200, answer.text
    return answer.json()
