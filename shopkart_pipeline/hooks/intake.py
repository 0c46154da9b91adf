"""Stores what comes at once together: while one write is on its way to the disk, the next one gathers.

There is one writer, so receiving does not compete with itself for the database, and a burst costs as many fsyncs as
the disk manages and not one for each delivery. Whoever waits too long is told so and is not stored afterwards, unless
its write had begun: then its redelivery finds it there.
"""

import asyncio
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.known_secrets import KNOWN
from shopkart_pipeline.ports.inbox import Delivery, Inbox


@dataclass(frozen=True, eq=False)
class _Waiting:
    delivery: Delivery
    stored: asyncio.Future[bool]


class Intake:
    """The one way into an inbox for the requests of one receiver."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def store(self, delivery: Delivery, timeout_seconds: float) -> bool:
        """Have a delivery on disk; whether it is pending because of that. Raises `ToolUnavailable`."""
        kept = replace(delivery, body=KNOWN.masked_bytes(delivery.body))
        waiting = _Waiting(kept, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(timeout_seconds):
                return await waiting.stored
        except TimeoutError:
            raise ToolUnavailable(
                f"It was not stored within {timeout_seconds:.1f} s.", "Look at the disk, or at the inbox's database."
            ) from None
        finally:
            if waiting in self._waiting:  # Its turn did not come, and its body is not held any longer.
                self._waiting.remove(waiting)

    async def _write(self) -> None:
        while self._waiting:
            together = [each for each in self._waiting if not each.stored.done()]
            self._waiting.clear()
            try:
                stored = await run_in_threadpool(self._inbox.put_all, [each.delivery for each in together])
            except Exception as error:
                for each in together:
                    if not each.stored.done():
                        each.stored.set_exception(error)
            else:
                for each, is_new in zip(together, stored, strict=True):
                    if not each.stored.done():
                        each.stored.set_result(is_new)
