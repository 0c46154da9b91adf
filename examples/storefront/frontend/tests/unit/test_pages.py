"""The pages as a browser gets them."""

import re

import pytest

pytestmark = pytest.mark.anyio


async def test_the_home_page_shows_products_with_prices_and_escapes_their_names(browser):
    page = (await browser.get("/")).text

    assert "€ 1,100.50" in page
    assert "Mug &lt;b&gt;blue&lt;/b&gt;" in page
    assert "<b>blue" not in page


async def test_every_page_says_which_release_it_is_and_trusts_nothing_foreign(browser):
    answer = await browser.get("/")

    assert "release 9.9.9" in answer.text
    assert answer.headers["x-shopkart-version"] == "9.9.9"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_customer_fills_changes_and_orders_a_cart(browser, backend):
    assert "nothing in it yet" in (await browser.get("/cart")).text

    answer = await browser.post("/cart/items", data={"sku": "mug", "quantity": "2"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/cart")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    await browser.post("/cart/items", data={"sku": "mug", "quantity": "3"})
    cart = (await browser.get("/cart")).text
    assert "€ 3,301.50" in cart

    ordered = await browser.post("/checkout", data={"order_key": order_key_in(cart)})
    assert ordered.status_code == 303
    assert "Thank you" in (await browser.get(ordered.headers["location"])).text
    assert "nothing in it yet" in (await browser.get("/cart")).text


async def test_ordering_twice_from_one_page_orders_once(browser, backend):
    await browser.post("/cart/items", data={"sku": "mug", "quantity": "2"})
    key = order_key_in((await browser.get("/cart")).text)

    answers = [await browser.post("/checkout", data={"order_key": key}) for _ in range(2)]

    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert len(backend.orders) == 1


async def test_the_backends_refusal_is_shown_in_its_words(browser):
    await browser.post("/cart/items", data={"sku": "mug", "quantity": "0"})
    key = order_key_in("value")

    answer = await browser.post("/checkout", data={"order_key": key})

    assert answer.status_code == 409
    assert "Nothing in this cart." in answer.text


@pytest.mark.parametrize("path", ["/products/none", "/orders/none", "/none"])
async def test_what_is_not_there_is_a_page_too(browser, path):
    answer = await browser.get(path)

    assert answer.status_code == 404
    assert "Back to the catalogue" in answer.text


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/cart/items", b"sku=mug&quantity=-1"),
        ("/cart/items", b"sku=mug&quantity=many"),
        ("/cart/items", b"\xff\xfe"),
        ("/cart/items", b"sku=mug&quantity=1&x=" + b"x" * 5000),
        ("/checkout", b"order_key="),
    ],
)
async def test_a_form_that_our_pages_do_not_send_changes_nothing(browser, backend, path, content):
    answer = await browser.post(path, content=content)

    assert answer.status_code == 422
    assert backend.carts == {}


async def test_a_product_that_is_unknown_cannot_be_put_into_a_cart(browser):
    assert (await browser.post("/cart/items", data={"sku": "none", "quantity": "1"})).status_code == 404


async def test_a_forged_cart_cookie_is_replaced(browser, backend):
    browser.cookies.set("cart", "../../health")

    await browser.post("/cart/items", data={"sku": "mug", "quantity": "1"})

    assert [len(cart_id) for cart_id in backend.carts] == [32]


async def test_the_stylesheet_is_served(browser):
    answer = await browser.get("/static/style.css")

    assert answer.headers["content-type"].startswith("text/css")
    assert "--accent" in answer.text


async def test_a_product_page_shows_one_product(browser):
    assert "Put into the cart" in (await browser.get("/products/mug")).text


async def test_the_request_id_reaches_the_backend(browser, backend):
    await browser.get("/", headers={"x-request-id": "from-the-edge"})

    assert backend.request_ids[-1] == "from-the-edge"


async def test_a_backend_that_is_away_gives_a_friendly_page_and_keeps_the_process_ready(browser, backend):
    backend.away = True

    answer = await browser.get("/")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "Please try again" in answer.text
    assert (await browser.get("/health/ready")).status_code == 200


def order_key_in(page: str) -> str:
    found = re.search(r'name="order_key" value="([^"]+)"', page)
    return found.group(1) if found else "0123456789abcdef"
