"""Carts in Redis, shared by every running version of this service.

A change is written only if nobody wrote in between (WATCH); otherwise it is made again on what is there now.
A value that this version cannot read is set aside under another name, without an expiry, and the customer
goes on with an empty cart: no request fails for it, and a later version can bring back what was set aside.
"""

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError, ReadOnlyError, ResponseError, TimeoutError, WatchError

from servicekit.faults import Unavailable
from servicekit.logs import with_fields
from storefront_backend.cart_format import UnreadableCart, decode, encode

TIME_TO_LIVE_SECONDS = 14 * 24 * 3600
ATTEMPTS = 50
"""How often a change is tried against others who change the same cart at the same moment."""

_PROBE_KEY = "cart-store-probe"
"""Never written: reading it shows that Redis answers reads, which PING does not while it loads its data."""

_logger = logging.getLogger(__name__)


class CartStore:
    """Reads and changes carts. Each method raises `Unavailable` while Redis is away."""

    def __init__(self, redis: Redis, *, on_unreadable: Callable[[], None]) -> None:
        """Keeps carts in `redis`; `on_unreadable` is called once for each value that was set aside."""
        self._redis = redis
        self._on_unreadable = on_unreadable

    async def read(self, cart_id: str) -> dict[str, int]:
        """What is in the cart: quantity by product number, empty for a cart that nobody has used yet."""

        async def once() -> dict[str, int]:
            return await _items(self._redis, _key(cart_id))

        return await self._settle(cart_id, once)

    async def put(self, cart_id: str, sku: str, quantity: int) -> dict[str, int]:
        """Makes `quantity` the number of this product; 0 takes it out. Returns the new content."""

        async def once() -> dict[str, int]:
            async with self._redis.pipeline(transaction=True) as pipeline:
                await pipeline.watch(_key(cart_id))
                items = await _items(pipeline, _key(cart_id))
                items.pop(sku, None)
                if quantity:
                    items[sku] = quantity
                pipeline.multi()
                pipeline.set(_key(cart_id), encode(items), ex=TIME_TO_LIVE_SECONDS)
                await pipeline.execute()
            return items

        return await self._settle(cart_id, once)

    async def remove(self, cart_id: str) -> None:
        """Forgets the cart."""
        async with _errors_translated():
            await self._redis.delete(_key(cart_id))

    async def ping(self) -> None:
        """Returns where Redis answers."""
        async with _errors_translated():
            await self._redis.get(_PROBE_KEY)

    async def _settle(self, cart_id: str, once: Callable[[], Awaitable[dict[str, int]]]) -> dict[str, int]:
        async with _errors_translated():
            for _ in range(ATTEMPTS):
                try:
                    return await once()
                except WatchError:
                    continue
                except UnreadableCart as error:
                    await self._set_aside(cart_id, error)
        raise Unavailable("the cart")

    async def _set_aside(self, cart_id: str, error: UnreadableCart) -> None:
        """Moves the value away, unless another replica has done so or has written a cart meanwhile."""
        suffix = secrets.token_hex(8)
        aside = f"cart:unreadable:{cart_id}:{suffix}"
        with suppress(WatchError, UnreadableCart):
            async with self._redis.pipeline(transaction=True) as pipeline:
                await pipeline.watch(_key(cart_id))
                if await _is_readable(pipeline, _key(cart_id)):
                    return
                pipeline.multi()
                pipeline.rename(_key(cart_id), aside)
                pipeline.persist(aside)
                await pipeline.execute()
            self._on_unreadable()
            # The cart's id opens the cart, so the line has only the part of the new name that finds it.
            fields = with_fields(error_signature="cart_unreadable", reason=str(error), set_aside=suffix)
            _logger.error("a stored cart could not be read and was set aside", extra=fields)


def _key(cart_id: str) -> str:
    return f"cart:{cart_id}"


async def _items(commands: Redis | Pipeline, key: str) -> dict[str, int]:
    try:
        stored = await commands.get(key)
    except ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise UnreadableCart("the value is not a string") from error
        raise
    return decode(stored) if isinstance(stored, bytes) else {}


async def _is_readable(pipeline: Pipeline, key: str) -> bool:
    try:
        await _items(pipeline, key)
    except UnreadableCart:
        return False
    return True


@asynccontextmanager
async def _errors_translated() -> AsyncGenerator[None]:
    try:
        yield
    except (ConnectionError, TimeoutError, ReadOnlyError, OSError) as error:
        raise Unavailable("redis") from error
