"""Alertmanager's door: who has the token, is it on disk. Without a token there is no such door.

The token is looked at before a byte of the body is read, and nothing of the body is understood here: what it means is
decided when the inbox is drained. Alertmanager tells again what was answered with 503, and repeats what goes on; the
same notification within a minute is one delivery. Later it may be news: what was resolved meanwhile fires again.
"""

import asyncio
import hashlib
import logging
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shopkart_pipeline.adapters.alertmanager import is_known
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.hooks.bell import Bell
from shopkart_pipeline.hooks.bodies import Bodies, Limits, unavailable
from shopkart_pipeline.hooks.intake import Intake
from shopkart_pipeline.ports.alert_reader import ALERTS
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.inbox import Delivery

log = logging.getLogger(__name__)


def alertmanager_routes(
    intake: Intake, tokens: Sequence[str], clock: Clock, bell: Bell, bodies: Bodies, limits: Limits
) -> list[Route]:
    """The door, or none.

    Args:
        intake: the way into the inbox.
        tokens: any of them opens; none: the door is not there.
        clock: gives the time of receipt.
        bell: rung after something was stored.
        bodies: all that the receiver holds.
        limits: what a sender may use.
    """
    known = [token for token in tokens if token]

    async def alertmanager(request: Request) -> Response:
        deadline = asyncio.get_running_loop().time() + limits.answer_seconds
        if not is_known(request.headers.get("authorization", ""), known):
            raise HTTPException(401, "the bearer token is missing, or not the one", {"WWW-Authenticate": "Bearer"})
        async with bodies.read(request) as body:
            now = clock.now()
            name = hashlib.sha256(body + f"{now:%Y%m%d%H%M}".encode()).hexdigest()[:40]
            delivery = Delivery(f"alertmanager-{name}", ALERTS, now, body)
            try:
                is_new = await intake.store(delivery, deadline - asyncio.get_running_loop().time())
            except ToolUnavailable as error:
                log.error("alerts (%s) could not be stored: %s", delivery.id, error)
                raise unavailable("the alerts could not be stored; send them again") from None
        log.info("alerts %s %s", delivery.id, "stored" if is_new else "known already")
        bell.ring()
        return JSONResponse({"delivery": delivery.id, "new": is_new})

    return [Route("/webhooks/alertmanager", alertmanager, methods=["POST"])] if known else []
