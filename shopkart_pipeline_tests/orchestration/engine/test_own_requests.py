"""What web pages of others can have a browser send to an interface without a login."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from shopkart_pipeline.engine.own_requests import OwnRequests

JSON = {"Content-Type": "application/json"}


async def _done(_: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


INTERFACE = Starlette(routes=[Route("/{path:path}", _done, methods=["GET", "POST"])])
APP = OwnRequests(INTERFACE, ("127.0.0.1", "localhost", "::1"))


def ask(method: str, path: str, headers: dict[str, str], app: ASGIApp = APP) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
            return await client.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)

    return asyncio.run(send())


def socket(headers: dict[str, str]) -> list[str]:
    """What a socket of GraphQL is answered at first."""
    sent: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope: Any = {"type": "websocket", "path": "/graphql", "headers": raw, "query_string": b""}
    nothing: Any = None
    asyncio.run(OwnRequests(application, ("127.0.0.1",))(scope, nothing, send))
    return sent


@pytest.mark.parametrize("path", ["/graphql", "/report_asset_check/backend/lint"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=application/json"},
        {"Content-Type": "text/plain; application/json"},
        {"Content-Type": "application/graphql"},
    ],
)
def test_what_a_form_can_send_is_refused(path: str, headers: dict[str, str]) -> None:
    assert ask("POST", f"{path}?query=mutation", headers).status_code == 415


def test_what_an_image_or_a_link_can_send_is_refused() -> None:
    assert ask("GET", "/graphql?query=mutation{launchRun}", {}).status_code == 405


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:3001", "http://localhost:3000"])
def test_what_a_script_of_another_origin_can_send_is_refused(origin: str) -> None:
    assert ask("POST", "/graphql", {**JSON, "Origin": origin}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:3000", "localhost@evil.example", "", "[::1"])
def test_a_page_that_has_its_own_name_lead_here_reads_nothing(host: str) -> None:
    for path in ("/", "/graphql", "/logs/run/out"):
        assert ask("GET", path, {"Host": host}).status_code == 421
    assert socket({"Host": host}) == ["websocket.close"]


def test_sockets_are_for_our_own_pages_and_for_programs() -> None:
    assert socket({"Host": "127.0.0.1:3000", "Origin": "https://evil.example"}) == ["websocket.close"]
    assert socket({"Host": "127.0.0.1:3000", "Origin": "http://127.0.0.1:3000"}) == ["websocket.accept"]
    assert socket({"Host": "127.0.0.1:3000"}) == ["websocket.accept"]


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "[::1]:3000"])
def test_our_own_pages_go_on_working(host: str) -> None:
    own = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json; charset=utf-8"}

    assert ask("POST", "/graphql", own).text == "done"
    assert ask("POST", "/graphql", {**JSON, "Host": host}).text == "done"
    assert ask("GET", "/assets/backend/production?partition=x", {"Host": host}).text == "done"
    assert ask("GET", "/graphql", {"Host": host}).text == "done"


def test_behind_a_proxy_it_answers_to_every_name_and_still_to_its_own_pages_alone() -> None:
    behind, named = OwnRequests(INTERFACE), {**JSON, "Host": "pipeline.example"}

    assert ask("POST", "/graphql", {**named, "Origin": "https://pipeline.example"}, behind).text == "done"
    assert ask("POST", "/graphql", {**named, "Origin": "https://evil.example"}, behind).status_code == 403
