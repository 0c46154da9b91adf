"""A frontend whose backend does not answer yet."""

import httpx
import pytest

from servicekit.testing import until_ready

pytestmark = pytest.mark.anyio


async def test_a_process_is_started_once_it_has_reached_the_backend(opened, backend):
    backend.away = True
    async with opened(httpx.ASGITransport(backend.app())) as browser:
        assert (await browser.get("/health/startup")).status_code == 503
        assert (await browser.get("/health/live")).status_code == 200

        backend.away = False
        await until_ready(browser)
        assert (await browser.get("/health/startup")).status_code == 200


async def test_a_wrong_address_keeps_the_process_from_starting_and_pages_friendly(opened):
    async with opened(None) as browser:
        assert (await browser.get("/")).status_code == 503
        assert (await browser.get("/health/startup")).status_code == 503
