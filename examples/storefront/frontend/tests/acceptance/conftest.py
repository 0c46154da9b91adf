"""Customers of the deployed pages: in a real browser where one is installed, else over HTTP.

Which of the two it was stands in the report, as the property `browser` of its suite. A browser that is there
and does not work is an error, and no reason to go on without it.
"""

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import TypeAlias

import httpx
import pytest
from chromium import NAMES, Chromium, ChromiumCustomer, chromium, installed
from plain_http import HttpCustomer

Customer: TypeAlias = ChromiumCustomer | HttpCustomer


@pytest.fixture(scope="session")
def browser(record_testsuite_property: Callable[[str, object], None]) -> Generator[Chromium | None]:
    """The browser that customers use; None where none is installed."""
    program = installed()
    if program is None:
        missing = f"none: over HTTP, because none of {', '.join(NAMES)} is installed"
        record_testsuite_property("browser", missing)
        yield None
        return
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(chromium(program))
        except Exception:
            record_testsuite_property("browser", f"{os.path.basename(program)}, which does not start")
            raise
        record_testsuite_property("browser", f"chromium {opened.version}")
        yield opened


@pytest.fixture
def new_customer(browser: Chromium | None, deployed: httpx.Client) -> Generator[Callable[[], Customer]]:
    """Makes customers who don't know each other; every page has to come from the expected version."""
    url, expected = str(deployed.base_url).rstrip("/"), os.environ.get("SHOPKART_EXPECTED_VERSION", "")
    with ExitStack() as stack:

        def make() -> Customer:
            if browser is not None:
                return ChromiumCustomer(browser, url, expected)
            customer = HttpCustomer(url, deployed.event_hooks)
            stack.callback(customer.close)
            return customer

        yield make


@pytest.fixture
def customer(new_customer: Callable[[], Customer]) -> Customer:
    """A new customer."""
    return new_customer()
