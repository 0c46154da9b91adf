"""The stored form of a cart."""

import json

import pytest

from storefront_backend.cart_format import UnreadableCart, decode, encode


@pytest.mark.parametrize("items", [{}, {"mug-enamel": 1}, {"mug-enamel": 99, "pan-iron": 3}])
def test_what_is_written_is_read_again(items):
    assert decode(encode(items)) == items


def test_the_stored_form_says_its_format():
    assert json.loads(encode({"mug-enamel": 2})) == {"format": 1, "items": {"mug-enamel": 2}}


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x02\x9c not json",
        b"[]",
        b'"cart"',
        b'{"items": {}}',
        b'{"format": 2, "items": {}}',
        b'{"format": 1}',
        b'{"format": 1, "items": [["mug-enamel", 1]]}',
        b'{"format": 1, "items": {"mug-enamel": 0}}',
        b'{"format": 1, "items": {"mug-enamel": "1"}}',
        b'{"format": 1, "items": {"mug-enamel": true}}',
    ],
)
def test_anything_else_is_unreadable_and_never_guessed_at(stored):
    with pytest.raises(UnreadableCart):
        decode(stored)
