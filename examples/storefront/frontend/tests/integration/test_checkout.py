"""What the deployed pages do with a form that arrives twice, as it does from an impatient customer."""

import re

import httpx


def test_an_order_that_is_sent_twice_is_placed_once(deployed):
    with httpx.Client(
        base_url=deployed.base_url, timeout=10, follow_redirects=True, event_hooks=deployed.event_hooks
    ) as client:
        cart = client.post("/cart/items", data={"sku": "mug-enamel", "quantity": "1"}).text
        (key,) = re.findall(r'name="order_key" value="([^"]+)"', cart)

        orders = [client.post("/checkout", data={"order_key": key}).url for _ in range(2)]

    assert orders[0] == orders[1]
