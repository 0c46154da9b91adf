"""The version to come and the one that runs, side by side on the same Redis and PostgreSQL."""

import os
import uuid
from collections.abc import Generator
from contextlib import ExitStack

import httpx
import pytest

VERSIONS = ("new", "running")


@pytest.fixture(scope="session")
def shops() -> Generator[dict[str, httpx.Client]]:
    """A client of each version by its name, at SHOPKART_URL_NEW and SHOPKART_URL_RUNNING.

    Every answer is checked to come from the version that the variables name: two clients of one version would
    get along however the two differ.
    """
    with ExitStack() as stack:
        yield {version: stack.enter_context(_client(version)) for version in VERSIONS}


@pytest.fixture
def cart_id() -> str:
    """A cart that nobody else uses."""
    return f"compatibility-{uuid.uuid4().hex}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever has a writer and a reader is tested in both directions."""
    if "writer" in metafunc.fixturenames:
        metafunc.parametrize(("writer", "reader"), [VERSIONS, VERSIONS[::-1]])


def _client(version: str) -> httpx.Client:
    names = [f"SHOPKART_{word}_{version.upper()}" for word in ("URL", "VERSION")]
    url, key = (os.environ.get(name, "") for name in names)
    if not url or not key:
        pytest.fail(f"{' and '.join(names)} must say where the {version} version is, and which one that is")

    def check_version(answer: httpx.Response) -> None:
        found = answer.headers.get("x-shopkart-version", "nothing")
        assert found == key, f"{found} answered, not {key}"

    return httpx.Client(base_url=url, timeout=10, event_hooks={"response": [check_version]})
