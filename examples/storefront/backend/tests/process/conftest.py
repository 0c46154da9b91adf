"""Real stores for processes of the backend."""

import uuid
from collections.abc import Generator

import pytest
from real_servers import Stores, running_stores


@pytest.fixture(scope="session")
def stores() -> Generator[Stores]:
    """A real Redis and a real PostgreSQL for the whole session."""
    with running_stores() as stores:
        yield stores


@pytest.fixture
def cart_id() -> str:
    """A cart that nobody else has."""
    return uuid.uuid4().hex
