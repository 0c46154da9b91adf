"""Carts that belong to one test alone, on a shop that others use too."""

import uuid

import pytest


@pytest.fixture
def cart_id() -> str:
    """A cart that nobody else uses."""
    return f"integration-{uuid.uuid4().hex}"
