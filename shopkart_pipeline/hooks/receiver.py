"""Receives webhooks: size limit, signature over the raw bytes, durable inbox, 202.

The order is the security: nothing of a body is parsed before its signature is verified, nothing unsigned is stored,
and nobody is told "accepted" before the delivery is on disk. What carries no signature at all is refused unread. The
doorbell that is rung afterwards only makes things faster; a sensor finds what nobody rang for. What can't be stored in
time is answered with 503 and not acknowledged: GitHub shows it as failed, and it can be delivered again.

SonarQube's webhook goes through the same order, if a secret for it is configured; otherwise there is no such door. All
that it leaves is a hint that a task has ended. Alertmanager's has a bearer token (`alertmanager_door`).
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shopkart_pipeline.adapters import sonarqube_webhook
from shopkart_pipeline.adapters.github import is_signed
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.hooks.alertmanager_door import alertmanager_routes
from shopkart_pipeline.hooks.bell import Bell
from shopkart_pipeline.hooks.bodies import Bodies, Limits, unavailable
from shopkart_pipeline.hooks.intake import Intake
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.inbox import Delivery, Inbox

_DELIVERY_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_EVENT = re.compile(r"[a-z0-9_]{1,64}")
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_FORM = "application/x-www-form-urlencoded"
_LONG_BODY_BYTES = 256 * 1024
"""A longer one is hashed in a thread."""

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
    limits: Limits | None = None,
    alertmanager_tokens: Sequence[str] = (),
) -> Starlette:
    """The receiver as an ASGI application.

    Args:
        inbox: where deliveries are kept.
        secrets: every secret that a delivery may be signed with (several while they are rotated); at least one.
        clock: gives the time of receipt.
        ring: called in a thread after something was stored; must not raise.
        sonarqube: for SonarQube's webhooks.
        limits: what senders may use of memory and time; None: what GitHub needs.
        alertmanager_tokens: any of them lets Alertmanager in; none: there is no door for it.

    Raises:
        ValueError: no secret was given. There is no unsigned mode.
    """
    if not secrets or not all(secrets):
        raise ValueError("a webhook receiver needs at least one secret")
    limits = limits or Limits()
    bodies, bell, intake = Bodies(limits), Bell(ring), Intake(inbox)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await bell.close()

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    github = _github_door(intake, secrets, clock, bell, bodies, limits)
    routes = [
        Route("/webhooks/github", github, methods=["POST"]),
        Route("/health/live", live, methods=["GET"]),
        *_sonarqube_routes(sonarqube, bodies),
        *alertmanager_routes(intake, alertmanager_tokens, clock, bell, bodies, limits),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _refusal})


def _github_door(
    intake: Intake, secrets: Sequence[str], clock: Clock, bell: Bell, bodies: Bodies, limits: Limits
) -> Callable[[Request], Awaitable[Response]]:
    async def github(request: Request) -> Response:
        deadline = asyncio.get_running_loop().time() + limits.answer_seconds
        signature = request.headers.get("x-hub-signature-256", "")
        if not _SIGNATURE.fullmatch(signature):
            raise HTTPException(401, "X-Hub-Signature-256 is missing")
        async with bodies.read(request) as body:
            if not await _fits(body, signature, secrets):
                raise HTTPException(401, "X-Hub-Signature-256 does not fit the body")
            delivery_id, event = _name(request)
            delivery = Delivery(delivery_id, event, clock.now(), body)
            try:
                is_new = await intake.store(delivery, deadline - asyncio.get_running_loop().time())
            except ToolUnavailable as error:
                log.error("delivery %s (%s) could not be stored: %s", delivery_id, event, error)
                raise unavailable("the delivery could not be stored; deliver it again") from None
        log.info("delivery %s (%s) %s", delivery_id, event, "stored" if is_new else "known already")
        bell.ring()
        return JSONResponse({"delivery": delivery_id, "new": is_new}, status_code=202)

    return github


async def _fits(body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    if len(body) < _LONG_BODY_BYTES:
        return is_signed(body, signature, secrets)
    return await run_in_threadpool(is_signed, body, signature, secrets)


def _name(request: Request) -> tuple[str, str]:
    """Id and event of a delivery that is signed."""
    delivery_id, event = request.headers.get("x-github-delivery", ""), request.headers.get("x-github-event", "")
    if not _DELIVERY_ID.fullmatch(delivery_id) or not _EVENT.fullmatch(event):
        raise HTTPException(400, "X-GitHub-Delivery or X-GitHub-Event is missing")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        raise HTTPException(415, "set the webhook's content type to application/json")
    return delivery_id, event


def _sonarqube_routes(door: SonarQubeDoor, bodies: Bodies) -> list[Route]:
    secrets = [secret for secret in door.secrets if secret]

    async def sonarqube(request: Request) -> Response:
        async with bodies.read(request) as body:
            if not sonarqube_webhook.is_signed(body, request.headers.get("x-sonar-webhook-hmac-sha256"), secrets):
                raise HTTPException(401, "X-Sonar-Webhook-HMAC-SHA256 does not fit the body")
            try:
                task_id = sonarqube_webhook.task_of(body)
                if task_id is not None:
                    await run_in_threadpool(door.leave_hint, task_id)
            except UntrustedInput as error:
                raise HTTPException(400, error.what) from None
            except OSError as error:
                log.error("the hint about SonarQube's task could not be left: %s", error)
                raise unavailable("the hint could not be stored") from None
        log.info("SonarQube has ended task %s", task_id)
        return JSONResponse({"task": task_id}, status_code=202)

    return [Route("/webhooks/sonarqube", sonarqube, methods=["POST"])] if secrets else []


async def _refusal(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
