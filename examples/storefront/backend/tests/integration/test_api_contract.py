"""What clients of the deployed shop rely on: shapes, statuses, headers."""

import uuid


def test_every_answer_says_who_gave_it(deployed):
    for path in ("/catalogue", "/no-such-path", "/health/live"):
        answer = deployed.get(path, headers={"x-request-id": "integration-1"})

        assert answer.headers["x-shopkart-version"]
        assert answer.headers["x-shopkart-track"] in ("stable", "canary")
        assert answer.headers["x-request-id"] == "integration-1"


def test_a_product_has_the_same_form_in_the_list_and_alone(deployed):
    products = deployed.get("/catalogue").json()["products"]

    assert products
    assert set(products[0]) == {"sku", "name", "description", "price_cents", "currency"}
    assert deployed.get(f"/catalogue/{products[0]['sku']}").json() == products[0]


def test_a_cart_holds_what_was_put_and_adds_it_up(deployed, cart_id):
    assert deployed.get(f"/carts/{cart_id}").json() == {
        "id": cart_id,
        "items": [],
        "total_cents": 0,
        "currency": "EUR",
    }

    cart = deployed.post(f"/carts/{cart_id}/items", json={"sku": "mug-enamel", "quantity": 3}).json()

    (line,) = cart["items"]
    assert (line["sku"], line["quantity"]) == ("mug-enamel", 3)
    assert line["subtotal_cents"] == 3 * line["price_cents"] == cart["total_cents"]
    assert deployed.get(f"/carts/{cart_id}").json() == cart


def test_a_deleted_cart_is_empty(deployed, cart_id):
    deployed.post(f"/carts/{cart_id}/items", json={"sku": "mug-enamel", "quantity": 3})

    assert deployed.delete(f"/carts/{cart_id}").status_code == 204
    assert deployed.get(f"/carts/{cart_id}").json()["items"] == []


def test_an_order_is_placed_once_for_each_idempotency_key(deployed, cart_id):
    headers = {"idempotency-key": uuid.uuid4().hex}
    deployed.post(f"/carts/{cart_id}/items", json={"sku": "pan-iron", "quantity": 1})

    first = deployed.post("/orders", json={"cart_id": cart_id}, headers=headers)
    again = deployed.post("/orders", json={"cart_id": cart_id}, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert deployed.get(f"/orders/{first.json()['id']}").json() == first.json()


def test_refusals_carry_a_code_and_a_message(deployed, cart_id):
    below_zero = {"sku": "pan-iron", "quantity": -1}
    refusals = {
        "unknown_product": deployed.get("/catalogue/no-such-product"),
        "invalid_quantity": deployed.post(f"/carts/{cart_id}/items", json=below_zero),
        "invalid_json": deployed.post(f"/carts/{cart_id}/items", content=b"{"),
        "cart_empty": deployed.post("/orders", json={"cart_id": cart_id}),
        "unknown_order": deployed.get(f"/orders/{uuid.uuid4()}"),
    }

    for code, answer in refusals.items():
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["code"] == code
        assert answer.json()["error"]["message"]
