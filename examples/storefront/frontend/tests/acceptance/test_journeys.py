"""Customers' journeys through the deployed pages, followed as a browser follows them."""

import re
from html import unescape

import httpx
import pytest


@pytest.fixture
def browser(deployed: httpx.Client):
    """A new customer's browser: no cookies yet, redirects are followed."""
    with httpx.Client(
        base_url=deployed.base_url, timeout=10, follow_redirects=True, event_hooks=deployed.event_hooks
    ) as client:
        yield client


def test_a_customer_browses_fills_a_cart_changes_it_and_orders(browser):
    home = browser.get("/").text
    first, second = re.findall(r'href="/products/([^"]+)"', home)[:2]
    name = unescape(re.findall(r"<h1>(.+?)</h1>", browser.get(f"/products/{first}").text)[0])

    browser.post("/cart/items", data={"sku": first, "quantity": "1"})
    browser.post("/cart/items", data={"sku": second, "quantity": "2"})
    browser.post("/cart/items", data={"sku": first, "quantity": "4"})
    cart = browser.post("/cart/items", data={"sku": second, "quantity": "0"}).text
    assert name in unescape(cart)
    assert f"/products/{second}" not in cart

    ordered = browser.post("/checkout", data={"order_key": order_key_in(cart)}).text
    assert "Thank you for your order" in ordered
    assert total_in(ordered) == total_in(cart)
    assert "nothing in it yet" in browser.get("/cart").text


def test_an_impatient_customer_who_orders_twice_pays_once(browser):
    cart = browser.post("/cart/items", data={"sku": "mug-enamel", "quantity": "1"}).text

    orders = [browser.post("/checkout", data={"order_key": order_key_in(cart)}).url for _ in range(2)]

    assert orders[0] == orders[1]


def test_customers_do_not_share_a_cart(browser, deployed):
    browser.post("/cart/items", data={"sku": "mug-enamel", "quantity": "1"})

    with httpx.Client(base_url=deployed.base_url) as another:
        assert "nothing in it yet" in another.get("/cart").text


def order_key_in(page: str) -> str:
    (key,) = re.findall(r'name="order_key" value="([^"]+)"', page)
    return key


def total_in(page: str) -> str:
    (total,) = re.findall(r'Total</td><td class="amount">([^<]+)<', page)
    return total
