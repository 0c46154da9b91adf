"""Keeps web pages of others away from a web interface without a login, which any browser on its machine reaches.

A browser sends for any page, without asking, what forms, images and links send: so GraphQL and reports are taken as
JSON in a POST alone, which a page of another origin may not send unless we said so. It opens sockets for any page, too,
and tells whose page it is: so that has to be ours. And a page can have its own name lead to this machine (DNS
rebinding): so we answer to names by which we are known.

This is no login: programs send what they like. Source: Fetch standard (CORS-safelisted requests), RFC 6455, 10.2.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_ACTS = ("/graphql", "/report_asset_")
"""What is done there, and not only shown."""
_JSON = "application/json"


class OwnRequests:
    """Middleware.

    Args:
        app: the web interface.
        names: to which it answers; empty: all.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app, self._names = app, frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await PlainTextResponse(f"{refusal[1]}\n", refusal[0])(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and words; None for a request that is let through."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._names and _name_in(host) not in self._names:
            return 421, "This interface is not known by that name."
        if not any(act in scope["path"] for act in _ACTS):
            return None
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "A page of somebody else asks for this."
        if scope["type"] == "websocket":
            return None
        if scope["method"] in ("GET", "HEAD"):
            return (405, "Send it as JSON in a POST.") if scope["query_string"] else None
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        return None if content_type == _JSON else (415, "Send it as JSON in a POST.")


def _name_in(host: str) -> str:
    """The name in a `Host` header, without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
