"""Receives webhooks: size limit, signature over the raw bytes, durable inbox, 202.

The order is the security: nothing of a body is parsed before its signature is verified, nothing unsigned is stored,
and nobody is told "accepted" before the delivery is on disk. The doorbell that is rung afterwards only makes things
faster; a sensor finds what nobody rang for. Storing takes one fsync in a worker thread, so slow disks don't stop
other requests. What can't be stored is answered with 503 and not acknowledged: GitHub shows it as failed, and it can
be delivered again.

SonarQube's webhook goes through the same order, if a secret for it is configured; otherwise there is no such door. All
that it leaves is a hint that a task has ended.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shopkart_pipeline.adapters import sonarqube_webhook
from shopkart_pipeline.adapters.github import is_signed
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.inbox import Delivery, Inbox

MAXIMUM_BODY_BYTES = 25 * 1024 * 1024
"""GitHub's own cap for payloads."""
_DELIVERY_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_EVENT = re.compile(r"[a-z_]{1,64}")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SonarQubeDoor:
    """Lets SonarQube say that it has ended a task."""

    secrets: Sequence[str] = field(default=(), repr=False)
    """Every secret that its webhooks may be signed with; none: the door is not there."""
    leave_hint: Callable[[str], None] = lambda task_id: None
    """Called in a thread with the id of the task."""


def create_app(
    inbox: Inbox,
    secrets: Sequence[str],
    clock: Clock,
    ring: Callable[[], None],
    sonarqube: SonarQubeDoor = SonarQubeDoor(),
) -> Starlette:
    """The receiver as an ASGI application.

    Args:
        inbox: where deliveries are kept.
        secrets: every secret that a delivery may be signed with (several while they are rotated); at least one.
        clock: gives the time of receipt.
        ring: called in a thread after the answer was sent; must not raise.
        sonarqube: for SonarQube's webhooks.

    Raises:
        ValueError: no secret was given. There is no unsigned mode.
    """
    if not secrets or not all(secrets):
        raise ValueError("a webhook receiver needs at least one secret")

    async def github(request: Request) -> Response:
        body = await _body(request)
        if isinstance(body, Response):
            return body
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
    return Starlette(routes=[*routes, *_sonarqube_routes(sonarqube)])


def _sonarqube_routes(door: SonarQubeDoor) -> list[Route]:
    secrets = [secret for secret in door.secrets if secret]

    async def sonarqube(request: Request) -> Response:
        body = await _body(request)
        if isinstance(body, Response):
            return body
        if not sonarqube_webhook.is_signed(body, request.headers.get("x-sonar-webhook-hmac-sha256"), secrets):
            return _refusal(401, "X-Sonar-Webhook-HMAC-SHA256 does not fit the body")
        try:
            task_id = sonarqube_webhook.task_of(body)
            if task_id is not None:
                await run_in_threadpool(door.leave_hint, task_id)
        except UntrustedInput as error:
            return _refusal(400, error.what)
        except OSError as error:
            log.error("the hint about SonarQube's task could not be left: %s", error)
            return _refusal(503, "the hint could not be stored")
        log.info("SonarQube has ended task %s", task_id)
        return JSONResponse({"task": task_id}, status_code=202)

    return [Route("/webhooks/sonarqube", sonarqube, methods=["POST"])] if secrets else []


async def _body(request: Request) -> bytes | Response:
    """The raw body, or the refusal of one that is cut short or too large."""
    try:
        body = await _read(request)
    except ClientDisconnect:
        return _refusal(400, "the body was cut short")
    if body is None:
        return _refusal(413, f"the body is larger than {MAXIMUM_BODY_BYTES} bytes")
    return body


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
