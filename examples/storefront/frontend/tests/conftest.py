"""The shop that was deployed, for tests that run against it from outside."""

import os
from collections.abc import Generator

import httpx
import pytest


@pytest.fixture(scope="session")
def deployed() -> Generator[httpx.Client]:
    """A client of the shop at SHOPKART_URL.

    Every answer is checked to come from SHOPKART_EXPECTED_VERSION, where that is given: a test that passes
    against another version than the one to be released says nothing.
    """
    url, expected = os.environ.get("SHOPKART_URL", ""), os.environ.get("SHOPKART_EXPECTED_VERSION", "")
    if not url:
        pytest.fail("SHOPKART_URL is not set: it must hold the address of the deployed shop to test")

    def check_version(answer: httpx.Response) -> None:
        version = answer.headers.get("x-shopkart-version", "nothing")
        assert not expected or version == expected, f"{version} answered, not {expected}"

    with httpx.Client(base_url=url, timeout=10, event_hooks={"response": [check_version]}) as client:
        yield client
