"""The outermost layer around a service's routes: who answered, how long it took, what failed.

Order: a request gets its id first, so that every line written for it carries the id; it is counted as in
flight before the routes see it and observed after its last byte is handed over, whatever happened in between.
An exception that reaches this layer has been answered with status 500 and ends here.
"""

import logging
import re
import time
import uuid
from dataclasses import dataclass, field

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit.faults import FAILURE_KEY, note_failure
from servicekit.health import Lifecycle
from servicekit.logs import SHELL_PACKAGE, own_frames, request_id, signature_of
from servicekit.metrics import UNMATCHED_ROUTE, ServiceMetrics
from servicekit.settings import Identity

_logger = logging.getLogger(__name__)
_PROBE_PREFIXES = ("/health/", "/metrics")
_SAFE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass
class Traffic:
    """Customers' requests through this process; probes are not traffic."""

    in_flight: int = 0
    last_seen_seconds: float = field(default_factory=time.monotonic)
    """On the monotonic clock: when a customer's request last began or ended."""


@dataclass
class _Exchange:
    id: str
    started_seconds: float
    is_probe: bool
    status: int = 0


class Shell:
    """Wraps a service's application."""

    def __init__(
        self, app: ASGIApp, *, identity: Identity, metrics: ServiceMetrics, lifecycle: Lifecycle, package: str
    ) -> None:
        self.traffic = Traffic()
        self.lifecycle = lifecycle
        self._app = app
        self._metrics = metrics
        self._packages = (package, SHELL_PACKAGE)
        self._headers = [
            (b"x-shopkart-version", identity.version.encode("latin-1", "replace")),
            (b"x-shopkart-track", identity.track.encode("latin-1", "replace")),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(_id_of(scope), time.monotonic(), scope["path"].startswith(_PROBE_PREFIXES))
        request_id.set(exchange.id)

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers_of(exchange)]
            await send(message)

        self._enter(exchange)
        try:
            await self._app(scope, receive, tagged)
        except Exception as error:
            note_failure(scope, error)
            if not exchange.status:
                await tagged({"type": "http.response.start", "status": 500, "headers": []})
                await tagged({"type": "http.response.body", "body": b""})
            exchange.status = 500
        finally:
            self._leave(scope, exchange)

    def _headers_of(self, exchange: _Exchange) -> list[tuple[bytes, bytes]]:
        headers = [*self._headers, (b"x-request-id", exchange.id.encode())]
        if self.lifecycle.draining:
            # The client takes its next request elsewhere, so no connection has to be closed under it.
            headers.append((b"connection", b"close"))
        return headers

    def _enter(self, exchange: _Exchange) -> None:
        self._metrics.in_flight.inc()
        if not exchange.is_probe:
            self.traffic.in_flight += 1
            self.traffic.last_seen_seconds = exchange.started_seconds

    def _leave(self, scope: Scope, exchange: _Exchange) -> None:
        now = time.monotonic()
        self._metrics.in_flight.dec()
        if not exchange.is_probe:
            self.traffic.in_flight -= 1
            self.traffic.last_seen_seconds = now
        route, method, status = _template_of(scope), str(scope["method"]), exchange.status or 500
        duration_seconds = now - exchange.started_seconds
        self._metrics.observe(route=route, method=method, status=status, duration_seconds=duration_seconds)
        fields: dict[str, object] = {
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(duration_seconds * 1000, 2),
        }
        failure = scope.get(FAILURE_KEY)
        if isinstance(failure, Exception):
            fields["error_signature"] = signature_of(failure, self._packages)
            fields["frames"] = own_frames(failure.__traceback__, self._packages)
        _logger.log(_level_of(status, exchange), "request answered", extra={"fields": fields})


def _level_of(status: int, exchange: _Exchange) -> int:
    if exchange.is_probe:
        return logging.DEBUG
    if status >= 500:
        return logging.WARNING if status == 503 else logging.ERROR
    return logging.INFO


def _template_of(scope: Scope) -> str:
    route = scope.get("route")
    return route.path_format if isinstance(route, Route) else UNMATCHED_ROUTE


def _id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SAFE_REQUEST_ID.fullmatch(value):
            return value.decode()
    return uuid.uuid4().hex
