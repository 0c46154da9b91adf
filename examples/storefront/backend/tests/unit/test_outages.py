"""Redis and PostgreSQL leave and come back; the process stays."""

from contextlib import ExitStack

import anyio
import pytest
from real_servers import running_redis

from servicekit.testing import until_ready

pytestmark = pytest.mark.anyio


async def test_a_shop_that_starts_before_its_database_waits_for_it(opened, stores):
    away = stores.directory / "not-there-yet"
    database_url = stores.database_url.replace(str(stores.directory / "pg"), str(away))
    async with opened(stores.redis_url, database_url) as shop:
        assert (await shop.get("/health/live")).status_code == 200
        assert (await shop.get("/health/startup")).status_code == 503
        answer = await shop.get("/catalogue")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

        away.symlink_to(stores.directory / "pg")
        await until_ready(shop)

        assert (await shop.get("/catalogue")).status_code == 200


async def test_a_redis_that_restarts_costs_only_the_requests_of_its_absence(opened, stores, cart_id):
    directory = stores.directory / "restarting"
    directory.mkdir()
    first = ExitStack()
    redis_url = first.enter_context(running_redis(directory))
    async with opened(redis_url, stores.database_url) as shop:
        await until_ready(shop)
        first.close()

        answer = await shop.get(f"/carts/{cart_id}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await shop.get("/health/ready")).status_code == 503
        assert (await shop.get("/health/live")).status_code == 200
        assert (await shop.get("/catalogue")).status_code == 200

        with running_redis(directory):
            await until_ready(shop)
            assert (await shop.get(f"/carts/{cart_id}")).status_code == 200


async def test_broken_connections_to_postgresql_are_replaced(shop, database):
    async with database.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    with anyio.fail_after(10):
        while (await shop.get("/catalogue")).status_code != 200:  # noqa: ASYNC110 - only asking shows it
            await anyio.sleep(0.02)
