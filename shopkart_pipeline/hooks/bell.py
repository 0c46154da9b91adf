"""Wakes the pipeline after something was stored: at once where it was quiet, and never in a sender's way.

However many deliveries come while it rings, or shortly afterwards, one more ring tells of all of them. The pause leaves
the processor to the deliveries themselves when there are many.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

PAUSE_SECONDS = 0.25


class Bell:
    """Rings in a thread.

    Args:
        ring: must not raise.
        pause_seconds: from the end of one ring to the next.
    """

    def __init__(self, ring: Callable[[], None], pause_seconds: float = PAUSE_SECONDS) -> None:
        self._ring = ring
        self._pause_seconds = pause_seconds
        self._is_wanted = False
        self._ringing: asyncio.Task[None] | None = None
        self._is_closing = asyncio.Event()

    def ring(self) -> None:
        """Have it ring soon; returns at once."""
        self._is_wanted = True
        if self._ringing is None or self._ringing.done():
            self._is_closing = asyncio.Event()
            self._ringing = asyncio.create_task(self._ring_while_wanted())

    async def close(self) -> None:
        """Wait until it has rung for everything."""
        self._is_closing.set()
        if self._ringing is not None:
            await self._ringing

    async def _ring_while_wanted(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            await run_in_threadpool(self._ring)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_closing.wait(), self._pause_seconds)
