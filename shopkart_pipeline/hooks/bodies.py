"""Reads the bodies of webhooks: whole, in time, and never more of them at once than memory was set aside for.

GitHub sends at most 25 MB and waits ten seconds for an answer. Whoever sends more, or slower, is refused as soon as
that is known. What all requests together hold is counted while it arrives, so neither many senders nor one that
announces nothing can make the receiver grow.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MAXIMUM_BODY_BYTES = 25 * 1024 * 1024
"""GitHub's own cap for payloads."""
RETRY_SECONDS = 5


@dataclass(frozen=True)
class Limits:
    """What one receiver lets senders use."""

    held_bytes: int = 128 * 1024 * 1024
    """Of all bodies that are read or being stored."""
    body_seconds: float = 5.0
    """Until a body has to be there."""
    answer_seconds: float = 8.0
    """From the first byte of a body to the answer; GitHub gives up after ten."""


def unavailable(reason: str) -> HTTPException:
    """A refusal that says when to come again."""
    return HTTPException(503, reason, {"Retry-After": str(RETRY_SECONDS)})


class Bodies:
    """All bodies that a receiver holds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncGenerator[bytes]:
        """The raw body, counted as held until the block ends. Raises `HTTPException` for one that is refused."""
        _refuse_announced(request)
        held = _Held()
        try:
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    await self._read(request, held)
            except ClientDisconnect:
                raise HTTPException(400, "the body was cut short") from None
            except TimeoutError:
                raise HTTPException(408, "the body did not come in time") from None
            yield held.whole()
        finally:
            self._held_bytes -= held.size_bytes

    async def _read(self, request: Request, held: "_Held") -> None:
        async for chunk in request.stream():
            if held.size_bytes + len(chunk) > MAXIMUM_BODY_BYTES:
                raise _too_large()
            if self._held_bytes + len(chunk) > self._limits.held_bytes:
                raise unavailable("too many deliveries at once; deliver it again")
            held.add(chunk)
            self._held_bytes += len(chunk)


class _Held:
    """One body as it arrives."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.size_bytes += len(chunk)

    def whole(self) -> bytes:
        body = b"".join(self._chunks)
        self._chunks.clear()
        return body


def _refuse_announced(request: Request) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced[:20]) > MAXIMUM_BODY_BYTES:
        raise _too_large()


def _too_large() -> HTTPException:
    return HTTPException(413, f"the body is larger than {MAXIMUM_BODY_BYTES} bytes")
