"""One request, in the API server's order: failures on demand, who asks, what it is about, whether they may, and then
the operation. What all operations have in common is decided here once."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from shopkart_pipeline_tests.fakes.github_server.trouble import Drop, Trouble
from shopkart_pipeline_tests.fakes.github_server.world import Seen
from shopkart_pipeline_tests.fakes.kubernetes_server import subresources, watching
from shopkart_pipeline_tests.fakes.kubernetes_server.call import Answer, Call, is_true
from shopkart_pipeline_tests.fakes.kubernetes_server.operations import operate
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import (
    Refusal,
    bad_request,
    forbidden,
    no_such_page,
    unauthorized,
)
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import ACCESS_REVIEW, NAMESPACE, RESOURCES, discovery
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld, User

_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout", 409: "Conflict"}


async def serve(world: KubernetesWorld, request: Request) -> Response:
    """Answer one request, and write it down."""
    body, path = await request.body(), request.url.path
    trouble = world.troubles.next_for(request.method, path) or Trouble()
    await asyncio.sleep(trouble.delay_seconds)
    response: Response | None = None
    if trouble.status:
        response = _refused(
            Refusal(trouble.status, _REASONS.get(trouble.status, ""), trouble.message, None, trouble.headers)
        )
    elif trouble.drop is not Drop.BEFORE:
        response = await _answered(world, request, path, body)
    if trouble.drop is not None:
        response = None
    headers = {name.lower(): value for name, value in request.headers.items()}
    status = 0 if response is None else response.status_code
    world.requests.append(Seen(request.method, path, dict(request.query_params), headers, body, status))
    return await _dropped(request) if response is None else response


async def _answered(world: KubernetesWorld, request: Request, path: str, body: bytes) -> Response:
    try:
        if path in ("/healthz", "/livez", "/readyz"):
            return Response("ok", media_type="text/plain")
        user = world.users.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if user is None:
            raise unauthorized()
        about = discovery(path.rstrip("/"))
        if about is not None:
            return _json(Answer(about))
        call = _call(world, user, request, path, body)
        _permit(call)
        if call.verb == "watch":
            return watching.stream(call, request.scope["transport"].abort)
        if call.part == "proxy":
            return await subresources.proxied(call, request)
        with world.lock:
            answer = operate(call)
        if isinstance(answer.body, str):
            return Response(answer.body, answer.status, media_type="text/plain")
        return _json(answer)
    except Refusal as refusal:
        return _refused(refusal)


def _call(world: KubernetesWorld, user: User, request: Request, path: str, body: bytes) -> Call:
    """What a request is about. Raises a refusal (404) for what is not served."""
    steps = [step for step in path.split("/") if step]
    if len(steps) >= 3 and steps[0] == "api":
        group, version, rest = "", steps[1], steps[2:]
    elif len(steps) >= 4 and steps[0] == "apis":
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        raise no_such_page()
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in NAMESPACE.subresources:
        namespace, rest = rest[1], rest[2:]
    found = [each for each in RESOURCES if (each.group, each.version, each.plural) == (group, version, rest[0])]
    name, part, more = (*rest[1:3], "", "")[0], (*rest[1:3], "", "")[1] if len(rest) > 2 else "", rest[3:]
    if not found or (part and part not in found[0].subresources) or (more and part != "proxy"):
        raise no_such_page()
    query = dict(request.query_params)
    verb = _verb(request.method, name, query)
    agent = request.headers.get("user-agent", "unknown").split("/")[0]
    kind = request.headers.get("content-type", "application/json").split(";")[0]
    document = _parsed(body, kind) if part != "proxy" else None
    return Call(world, user, verb, found[0], namespace, name, part, "/".join(more), query, kind, document, agent)


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method == "GET" and is_true(query.get("watch", "")):
        return "watch"
    verbs = {"GET": "get" if name else "list", "POST": "create", "PUT": "update", "PATCH": "patch"}
    return verbs.get(method, "delete" if name else "deletecollection")


def _permit(call: Call) -> None:
    resource = call.resource
    if resource is ACCESS_REVIEW:
        return
    named = f"{resource.plural}/{call.part}" if call.part else resource.plural
    namespace = call.namespace or (call.name if resource is NAMESPACE else "")
    if not call.user.may(call.verb, resource.group, named, namespace):
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        what = f'cannot {call.verb} resource "{named}" in API group "{resource.group}" {where}'
        raise forbidden(resource, call.name, f'User "{call.user.name}" {what}')


def _parsed(body: bytes, kind: str) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        pass
    if "yaml" not in kind:
        raise bad_request(
            "the object provided is unrecognized (must be of type Object): couldn't get version/kind; json parse error"
        )
    try:
        return yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from None


@dataclass(frozen=True)
class _Headers:
    audit: str = "00000000-0000-4000-8000-000000000000"

    def more(self, warnings: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
        told = [("warning", '299 - "{}"'.format(each.replace("\\", "\\\\").replace('"', '\\"'))) for each in warnings]
        fixed = [("audit-id", self.audit), ("cache-control", "no-cache, private")]
        return [(name.encode(), value.encode()) for name, value in [*fixed, *told]]


def _json(answer: Answer) -> Response:
    response = Response(json.dumps(answer.body).encode(), answer.status, media_type="application/json")
    response.raw_headers += _Headers().more(answer.warnings)
    return response


def _refused(refusal: Refusal) -> Response:
    content = json.dumps(refusal.document).encode()
    return Response(
        content, refusal.code, {**refusal.headers, "cache-control": "no-cache, private"}, "application/json"
    )


async def _dropped(request: Request) -> Response:
    """End the connection under the client's feet."""
    request.scope["transport"].abort()
    await asyncio.sleep(0.05)
    return Response()
