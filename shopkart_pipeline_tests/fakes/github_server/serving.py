"""What all endpoints have in common, in GitHub's order: failures on demand, who asks, limits, what they may do, pages,
ETags. An answer that has not changed (304) does not count for the limit."""

import asyncio
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from shopkart_pipeline_tests.fakes.github_server.access import identify
from shopkart_pipeline_tests.fakes.github_server.trouble import Drop, Trouble
from shopkart_pipeline_tests.fakes.github_server.world import Document, GitHubWorld, Identity, Repository, Seen


class Refusal(Exception):
    """An answer that is an error, in GitHub's shape."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.document = {"message": message, "documentation_url": "https://docs.github.com/rest", **more}


@dataclass(frozen=True)
class Answer:
    """An answer of an endpoint."""

    body: Any = None
    status: int = 200
    items: str | None = None
    """Where the body is a list of pages: the field that holds it, empty for the list itself."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    raw: bytes | None = None
    """What is sent instead of a document."""


@dataclass(frozen=True)
class Call:
    """A request that got through to its endpoint."""

    world: GitHubWorld
    identity: Identity
    path: Mapping[str, str]
    """Parts of the path, by name."""
    query: Mapping[str, str]
    body: Document
    address: str
    """Of the API."""

    @property
    def repository(self) -> Repository:
        return self.world.repositories[f"{self.path['owner']}/{self.path['repo']}"]


@dataclass(frozen=True)
class Endpoint:
    """One operation of the API."""

    method: str
    path: str
    """Such as `/repos/{owner}/{repo}/check-runs`; a part like `{path...}` may hold slashes."""
    permission: str | None
    """Such as `checks=write`, several with `; ` where one of them is enough; None: nothing but to be known. `app`:
    the App's JWT is needed."""
    handle: Callable[[Call], Answer]
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\.\.\.\}", r"(?P<\1>.+)", self.path)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        object.__setattr__(self, "pattern", re.compile(pattern))


async def serve(world: GitHubWorld, endpoints: list[Endpoint], request: Request) -> Response:
    """Answer one request, and write it down."""
    body = await request.body()
    path = request.url.path.removeprefix("/api/v3")
    trouble = world.troubles.next_for(request.method, path) or Trouble()
    await asyncio.sleep(trouble.delay_seconds)
    response = None
    if trouble.status:
        response = _error(world, Refusal(trouble.status, trouble.message, trouble.headers))
    elif trouble.drop is not Drop.BEFORE:
        response = _answered(world, endpoints, request, path, body)
    if trouble.drop is not None:
        response = None
    headers = {name.lower(): value for name, value in request.headers.items()}
    status = 0 if response is None else response.status_code
    port = 0 if request.client is None else request.client.port
    world.requests.append(Seen(request.method, path, dict(request.query_params), headers, body, status, port))
    return await _dropped(request) if response is None else response


def _answered(world: GitHubWorld, endpoints: list[Endpoint], request: Request, path: str, body: bytes) -> Response:
    try:
        identity = identify(world, request.headers.get("authorization", ""))
        if identity is None:
            raise Refusal(401, "Bad credentials")
        _spend(world)
        endpoint, parts = _found(endpoints, request.method, path)
        call = Call(world, identity, parts, dict(request.query_params), _json(body), _address(request))
        _permit(call, endpoint)
        answer = endpoint.handle(call)
        return _finished(world, request, call, answer)
    except Refusal as refusal:
        return _error(world, refusal)


def _found(endpoints: list[Endpoint], method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
    for endpoint in endpoints:
        match = endpoint.pattern.fullmatch(path)
        if match is not None and endpoint.method == method:
            return endpoint, match.groupdict()
    raise Refusal(404, "Not Found")


def _permit(call: Call, endpoint: Endpoint) -> None:
    """As GitHub does: what may not be seen is not there, what may not be done is named."""
    if endpoint.permission == "app":
        if call.identity.kind != "app":
            raise Refusal(401, "A JSON web token could not be decoded")
        return
    if call.identity.kind == "app":
        raise Refusal(403, "Resource not accessible by integration")
    if "owner" in call.path:
        name = f"{call.path['owner']}/{call.path['repo']}"
        reached = call.identity.kind == "user" or call.identity.owner == call.path["owner"]
        if name not in call.world.repositories or not reached:
            raise Refusal(404, "Not Found")
    if endpoint.permission is not None:
        wanted = [each.split("=") for each in endpoint.permission.split("; ")]
        levels = {"read": ("read", "write"), "write": ("write",)}
        if not any(call.identity.permissions.get(name) in levels[level] for name, level in wanted):
            kind = "integration" if call.identity.kind == "installation" else "personal access token"
            headers = {"X-Accepted-GitHub-Permissions": endpoint.permission}
            raise Refusal(403, f"Resource not accessible by {kind}", headers)


def _spend(world: GitHubWorld) -> None:
    now = world.clock.now()
    if world.resets_at is None or now >= world.resets_at:
        world.resets_at = now.replace(microsecond=0) + timedelta(hours=1)
        world.remaining = world.quota
    if world.remaining <= 0:
        raise Refusal(403, "API rate limit exceeded for installation ID 1.")
    world.remaining -= 1


def _finished(world: GitHubWorld, request: Request, call: Call, answer: Answer) -> Response:
    body, headers = answer.body, {**_limits(world), **answer.headers}
    if answer.items is not None:
        body, link = _page(request, call, answer)
        headers |= {"Link": link} if link else {}
    content = b"" if answer.status == 204 else json.dumps(body).encode() if answer.raw is None else answer.raw
    if request.method == "GET":
        etag = f'W/"{hashlib.sha256(content).hexdigest()}"'
        headers |= {"ETag": etag}
        if request.headers.get("if-none-match") == etag:
            world.remaining += 1
            return Response(status_code=304, headers={**headers, **_limits(world)})
    return Response(content, answer.status, headers, "application/json; charset=utf-8")


def _page(request: Request, call: Call, answer: Answer) -> tuple[Any, str]:
    every = answer.body if not answer.items else answer.body[answer.items]
    size = min(100, max(1, int(call.query.get("per_page", 30))))
    page = max(1, int(call.query.get("page", 1)))
    items = every[(page - 1) * size : page * size]
    last = max(1, math.ceil(len(every) / size))

    def at(number: int, relation: str) -> str:
        query = urlencode({**call.query, "page": number})
        return f'<{call.address}{request.url.path.removeprefix("/api/v3")}?{query}>; rel="{relation}"'

    links = [at(page - 1, "prev"), at(1, "first")] if page > 1 else []
    links += [at(page + 1, "next"), at(last, "last")] if page < last else []
    return (items if not answer.items else {**answer.body, answer.items: items}), ", ".join(links)


def _limits(world: GitHubWorld) -> dict[str, str]:
    resets = 0 if world.resets_at is None else int(world.resets_at.timestamp())
    return {
        "X-RateLimit-Limit": str(world.quota),
        "X-RateLimit-Remaining": str(max(0, world.remaining)),
        "X-RateLimit-Reset": str(resets),
        "X-RateLimit-Resource": "core",
        "X-GitHub-Request-Id": "D1CE:1",
    }


def _error(world: GitHubWorld, refusal: Refusal) -> Response:
    headers = {**_limits(world), **refusal.headers}
    document = {**refusal.document, "status": str(refusal.status)}
    return Response(json.dumps(document).encode(), refusal.status, headers, "application/json; charset=utf-8")


def _json(body: bytes) -> Document:
    try:
        return json.loads(body) if body else {}
    except ValueError:
        raise Refusal(400, "Problems parsing JSON") from None


def _address(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}" + ("/api/v3" if "/api/v3" in request.url.path else "")


async def _dropped(request: Request) -> Response:
    """End the connection under the client's feet."""
    request.scope["transport"].abort()
    await asyncio.sleep(0.05)
    return Response()
