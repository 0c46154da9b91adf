"""Customers' journeys through the deployed pages."""


def test_a_customer_browses_fills_a_cart_changes_it_and_orders(customer):
    customer.open("/")
    first, second = [link for link in customer.links if link.startswith("/products/")][:2]
    names = {}
    for product, quantity in ((first, "1"), (second, "2")):
        customer.open("/")
        customer.follow(product)
        names[product] = customer.heading
        customer.send("Put into the cart", quantity=quantity)
    customer.send("Change", sku=first.rpartition("/")[2], quantity="4")
    customer.send("Change", sku=second.rpartition("/")[2], quantity="0")
    assert names[first] in customer.text
    assert names[second] not in customer.text
    total = total_in(customer)

    customer.send("Order now")
    assert "Thank you for your order" in customer.text
    assert names[first] in customer.text
    assert total_in(customer) == total
    customer.follow("/cart")
    assert "nothing in it yet" in customer.text


def test_customers_do_not_share_a_cart(new_customer):
    customer, another = new_customer(), new_customer()
    customer.open("/products/mug-enamel")
    customer.send("Put into the cart", quantity="1")

    another.open("/cart")

    assert "nothing in it yet" in another.text


def test_a_customer_who_comes_back_finds_the_cart_as_it_was(customer):
    customer.open("/products/mug-enamel")
    customer.send("Put into the cart", quantity="3")
    total = total_in(customer)

    customer.open("/cart")

    assert total_in(customer) == total


def total_in(customer) -> str:
    """The amount that stands behind the word."""
    return customer.text.partition("Total")[2].split("€")[1].split()[0]
