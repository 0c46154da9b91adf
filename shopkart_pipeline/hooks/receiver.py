"""Receives webhooks: size limit, signature over the raw bytes, durable inbox, 202.

The order is the security: nothing of a body is parsed before its signature is verified, nothing unsigned is stored,
and nobody is told "accepted" before the delivery is on disk. The doorbell that is rung afterwards only makes things
faster; a sensor finds what nobody rang for. Storing takes one fsync in a worker thread, so slow disks don't stop
other requests. What can't be stored is answered with 503 and not acknowledged: GitHub shows it as failed, and it can
be delivered again.
"""

import logging
import re
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shopkart_pipeline.adapters.github import is_signed
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.inbox import Delivery, Inbox

MAXIMUM_BODY_BYTES = 25 * 1024 * 1024
"""GitHub's own cap for payloads."""
_DELIVERY_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_EVENT = re.compile(r"[a-z_]{1,64}")

log = logging.getLogger(__name__)


def create_app(inbox: Inbox, secrets: Sequence[str], clock: Clock, ring: Callable[[], None]) -> Starlette:
    """The receiver as an ASGI application.

    Args:
        inbox: where deliveries are kept.
        secrets: every secret that a delivery may be signed with (several while they are rotated); at least one.
        clock: gives the time of receipt.
        ring: called in a thread after the answer was sent; must not raise.

    Raises:
        ValueError: no secret was given. There is no unsigned mode.
    """
    if not secrets or not all(secrets):
        raise ValueError("a webhook receiver needs at least one secret")

    async def github(request: Request) -> Response:
        try:
            body = await _read(request)
        except ClientDisconnect:
            return _refusal(400, "the body was cut short")
        if body is None:
            return _refusal(413, f"the body is larger than {MAXIMUM_BODY_BYTES} bytes")
        if not is_signed(body, request.headers.get("x-hub-signature-256"), secrets):
            return _refusal(401, "X-Hub-Signature-256 does not fit the body")
        delivery_id, event = request.headers.get("x-github-delivery", ""), request.headers.get("x-github-event", "")
        if not _DELIVERY_ID.fullmatch(delivery_id) or not _EVENT.fullmatch(event):
            return _refusal(400, "X-GitHub-Delivery or X-GitHub-Event is missing")
        try:
            stored = await run_in_threadpool(inbox.put, Delivery(delivery_id, event, clock.now(), body))
        except ToolUnavailable as error:
            log.error("delivery %s (%s) could not be stored: %s", delivery_id, event, error)
            return _refusal(503, "the delivery could not be stored; deliver it again")
        log.info("delivery %s (%s) %s", delivery_id, event, "stored" if stored else "known already")
        answer = {"delivery": delivery_id, "new": stored}
        return JSONResponse(answer, status_code=202, background=BackgroundTask(ring))

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    routes = [Route("/webhooks/github", github, methods=["POST"]), Route("/health/live", live, methods=["GET"])]
    return Starlette(routes=routes)


async def _read(request: Request) -> bytes | None:
    """The raw body, or None as soon as it is known to be too large; what is too large is never held in memory."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced[:20]) > MAXIMUM_BODY_BYTES:
        return None
    chunks, size = list[bytes](), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAXIMUM_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _refusal(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=status)
