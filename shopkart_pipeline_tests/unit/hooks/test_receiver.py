"""The HTTP door: nothing unsigned is stored, nothing is acknowledged before it is stored, nobody can break it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.hooks.receiver import MAXIMUM_BODY_BYTES, create_app
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline_tests.fakes.fake_clock import NOON, FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

SECRET = "correct horse"
BODY = json.dumps({"ref": "refs/heads/main"}).encode()


class Door:
    """A receiver with its inbox and bell."""

    def __init__(self, *secrets: str, inbox: MemoryInbox | None = None) -> None:
        self.inbox = inbox or MemoryInbox()
        self.rung = 0
        self.app: Starlette = create_app(self.inbox, secrets or (SECRET,), FakeClock(), self._ring)

    def _ring(self) -> None:
        self.rung += 1

    def post(self, body: bytes | Iterable[bytes] = BODY, headers: dict[str, Any] | None = None) -> httpx.Response:
        """What GitHub is answered; headers that are None are left out."""
        content = body if isinstance(body, bytes) else b""
        given: dict[str, Any] = {
            "X-GitHub-Delivery": "d-1",
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": signature_of(content, SECRET),
            **(headers or {}),
        }
        sent = {name: value for name, value in given.items() if value is not None}
        return self.ask("POST", "/webhooks/github", body, sent)

    def ask(
        self, method: str, path: str, body: bytes | Iterable[bytes] = b"", headers: dict[str, Any] | None = None
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
                content = body if isinstance(body, bytes) else _stream(body)
                return await client.request(method, path, content=content, headers=headers or {})

        return asyncio.run(ask())

    @property
    def stored(self) -> tuple[Delivery, ...]:
        return self.inbox.pending()


async def _stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_signed_delivery_is_stored_as_it_came_and_the_bell_rings(door: Door) -> None:
    answer = door.post()

    assert (answer.status_code, answer.json()) == (202, {"delivery": "d-1", "new": True})
    assert door.stored == (Delivery("d-1", "push", NOON, BODY),)
    assert door.rung == 1


def test_a_delivery_that_is_known_is_accepted_again_and_rings_again(door: Door) -> None:
    door.post()

    answer = door.post()

    assert (answer.status_code, answer.json()) == (202, {"delivery": "d-1", "new": False})
    assert len(door.stored) == 1
    assert door.rung == 2


@pytest.mark.parametrize("event", ["ping", "issues", "something_new"])
def test_events_that_nobody_knows_are_kept_too(door: Door, event: str) -> None:
    assert door.post(headers={"X-GitHub-Event": event}).status_code == 202
    assert [delivery.event for delivery in door.stored] == [event]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe not text", b"{" * 1000])
def test_a_body_is_not_read_before_it_is_stored(door: Door, body: bytes) -> None:
    assert door.post(body).status_code == 202
    assert door.stored[0].body == body


@pytest.mark.parametrize(
    "signature",
    [None, "", "sha256=", signature_of(BODY, "another"), signature_of(b"other", SECRET), "é".encode("latin-1")],
)
def test_what_is_not_signed_is_refused_and_leaves_no_trace(door: Door, signature: str | bytes | None) -> None:
    answer = door.post(headers={"X-Hub-Signature-256": signature})

    assert answer.status_code == 401
    assert (door.stored, door.rung) == ((), 0)


def test_any_of_several_secrets_will_do() -> None:
    for secret in ("old", "new"):
        assert Door("old", "new").post(headers={"X-Hub-Signature-256": signature_of(BODY, secret)}).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"X-GitHub-Delivery": None},
        {"X-GitHub-Event": None},
        {"X-GitHub-Delivery": ""},
        {"X-GitHub-Delivery": "a" * 101},
        {"X-GitHub-Delivery": "../../x"},
        {"X-GitHub-Delivery": "a b"},
        {"X-GitHub-Event": "shopkart.approved"},
        {"X-GitHub-Event": "PUSH"},
        {"X-GitHub-Event": "a" * 65},
    ],
)
def test_a_signed_delivery_without_a_proper_name_is_refused(door: Door, headers: dict[str, Any]) -> None:
    answer = door.post(headers=headers)

    assert answer.status_code == 400
    assert (door.stored, door.rung) == ((), 0)


def test_the_signature_is_looked_at_before_anything_else_is_told(door: Door) -> None:
    answer = door.post(headers={"X-Hub-Signature-256": None, "X-GitHub-Event": None})

    assert answer.status_code == 401


def test_the_largest_body_is_accepted(door: Door) -> None:
    assert door.post(b"x" * MAXIMUM_BODY_BYTES).status_code == 202


def test_a_body_that_says_it_is_too_large_is_refused_unread(door: Door) -> None:
    taken: list[int] = []

    def chunks() -> Iterable[bytes]:
        taken.append(1)
        yield b"x"

    answer = door.post(chunks(), headers={"Content-Length": str(MAXIMUM_BODY_BYTES + 1)})

    assert answer.status_code == 413
    assert taken == []


def test_a_body_that_turns_out_too_large_is_refused_as_soon_as_it_is(door: Door) -> None:
    taken: list[int] = []

    def endless() -> Iterable[bytes]:
        while True:
            taken.append(1)
            assert len(taken) < 60, "the body is read on and on"
            yield b"x" * 1024 * 1024

    answer = door.post(endless())

    assert answer.status_code == 413
    assert len(taken) <= 27
    assert (door.stored, door.rung) == ((), 0)


def test_what_can_not_be_stored_is_not_acknowledged() -> None:
    class Full(MemoryInbox):
        def put(self, delivery: Delivery) -> bool:
            raise ToolUnavailable("The database can't be used: disk is full.", "Make room.")

    door = Door(inbox=Full())

    answer = door.post()

    assert answer.status_code == 503
    assert "database" not in answer.text
    assert door.rung == 0


def test_a_sender_that_leaves_in_the_middle_leaves_no_trace(door: Door) -> None:
    sent: list[Any] = []

    async def leave() -> None:
        messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/webhooks/github",
            "raw_path": b"/webhooks/github",
            "query_string": b"",
            "headers": [(b"x-hub-signature-256", signature_of(b"", SECRET).encode())],
        }

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        await door.app(scope, receive, send)

    asyncio.run(leave())

    assert door.stored == ()
    assert [message["status"] for message in sent if "status" in message] == [400]


@pytest.mark.parametrize("secrets", [(), ("",), ("good", "")])
def test_there_is_no_door_without_a_lock(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="secret"):
        create_app(MemoryInbox(), secrets, FakeClock(), lambda: None)


def test_the_receiver_says_that_it_is_alive(door: Door) -> None:
    assert door.ask("GET", "/health/live").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/webhooks/github", 405),
        ("POST", "/", 404),
        ("POST", "/webhooks", 404),
        ("PUT", "/webhooks/github", 405),
    ],
)
def test_there_are_no_other_doors(door: Door, method: str, path: str, status: int) -> None:
    assert door.ask(method, path, BODY).status_code == status


_HEADERS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=120)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200),
    signed=st.booleans(),
    delivery=st.none() | _HEADERS,
    event=st.none() | _HEADERS,
    signature=st.none() | _HEADERS,
    length=st.none() | _HEADERS,
)
def test_nothing_that_is_sent_breaks_the_receiver(
    door: Door,
    body: bytes,
    signed: bool,
    delivery: str | None,
    event: str | None,
    signature: str | None,
    length: str | None,
) -> None:
    headers = {
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": signature_of(body, SECRET) if signed else signature,
        **({"Content-Length": length} if length is not None else {}),
    }
    before = len(door.stored)

    answer = door.post(body, headers)

    assert answer.status_code in (202, 400, 401, 413)
    assert signed or len(door.stored) == before
