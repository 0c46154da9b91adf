"""The HTTP door: nothing unsigned is stored, nothing is acknowledged before it is stored, nobody can break it."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.hooks.bodies import MAXIMUM_BODY_BYTES, Limits
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline_tests.fakes.fake_clock import NOON, FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

SECRET = "correct horse"
BODY = json.dumps({"ref": "refs/heads/main"}).encode()


class Door:
    """A receiver with its inbox and bell."""

    def __init__(self, *secrets: str, inbox: MemoryInbox | None = None, limits: Limits | None = None) -> None:
        self.inbox = inbox or MemoryInbox()
        self.rung = 0
        self.app: Starlette = create_app(self.inbox, secrets or (SECRET,), FakeClock(), self._ring, limits=limits)

    def _ring(self) -> None:
        self.rung += 1

    def post(self, body: bytes | Iterable[bytes] = BODY, headers: dict[str, Any] | None = None) -> httpx.Response:
        """What GitHub is answered; headers that are None are left out."""
        content = body if isinstance(body, bytes) else b""
        given: dict[str, Any] = {
            "X-GitHub-Delivery": "d-1",
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": signature_of(content, SECRET),
            "Content-Type": "application/json",
            **(headers or {}),
        }
        sent = {name: value for name, value in given.items() if value is not None}
        return self.ask("POST", "/webhooks/github", body, sent)

    def ask(
        self, method: str, path: str, body: bytes | Iterable[bytes] = b"", headers: dict[str, Any] | None = None
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with (
                self.app.router.lifespan_context(self.app),
                httpx.AsyncClient(transport=transport, base_url="http://receiver") as client,
            ):
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
        def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
            raise ToolUnavailable("The database can't be used: disk is full.", "Make room.")

    door = Door(inbox=Full())

    answer = door.post()

    assert answer.status_code == 503
    assert "database" not in answer.text
    assert door.rung == 0


def test_what_is_not_signed_at_all_is_refused_unread(door: Door) -> None:
    def chunks() -> Iterable[bytes]:
        raise AssertionError("the body was read")
        yield b""

    assert door.post(chunks(), headers={"X-Hub-Signature-256": None}).status_code == 401


def test_github_is_told_which_content_type_to_use(door: Door) -> None:
    answer = door.post(b"payload=%7B%7D", headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]
    assert door.stored == ()


class SlowInbox(MemoryInbox):
    """Stores when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.batches: list[int] = []

    def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
        assert self.go.wait(20)
        self.batches.append(len(deliveries))
        return super().put_all(deliveries)


def test_a_slow_disk_is_not_waited_for_longer_than_the_sender_waits() -> None:
    inbox = SlowInbox()
    door = Door(inbox=inbox, limits=Limits(answer_seconds=0.2))

    async def post() -> tuple[float, list[httpx.Response]]:
        transport = httpx.ASGITransport(app=door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            began = time.monotonic()
            first = asyncio.create_task(client.post("/webhooks/github", content=BODY, headers=_signed("d-1")))
            await asyncio.sleep(0.1)
            second = asyncio.create_task(client.post("/webhooks/github", content=BODY, headers=_signed("d-2")))
            answers, seconds = [await first, await second], time.monotonic() - began
            inbox.go.set()
            answers.append(await client.post("/webhooks/github", content=BODY, headers=_signed("d-3")))
            return seconds, answers

    seconds, answers = asyncio.run(post())

    assert [answer.status_code for answer in answers] == [503, 503, 202]
    assert {answer.headers["Retry-After"] for answer in answers[:2]} == {"5"}
    assert seconds < 5
    assert [each.id for each in door.stored] == ["d-1", "d-3"], "the write of the first one had begun"


def test_what_comes_while_the_disk_is_at_work_is_written_together() -> None:
    inbox = SlowInbox()
    door = Door(inbox=inbox)

    async def post_all() -> list[int]:
        transport = httpx.ASGITransport(app=door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            posts = [
                asyncio.create_task(client.post("/webhooks/github", content=BODY, headers=_signed(f"d-{number}")))
                for number in range(20)
            ]
            await asyncio.sleep(0.3)
            inbox.go.set()
            return [(await post).status_code for post in posts]

    assert asyncio.run(post_all()) == [202] * 20
    assert sum(inbox.batches) == 20
    assert len(inbox.batches) <= 3
    assert len(door.inbox.pending()) == 20


def test_what_all_senders_together_may_have_in_memory_is_bounded() -> None:
    inbox = SlowInbox()
    door = Door(inbox=inbox, limits=Limits(held_bytes=3000))
    body = b"x" * 1000

    async def post_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            posts = [
                asyncio.create_task(client.post("/webhooks/github", content=body, headers=_signed(f"d-{number}", body)))
                for number in range(5)
            ]
            await asyncio.sleep(0.3)
            inbox.go.set()
            answers = [await post for post in posts]
            answers.append(await client.post("/webhooks/github", content=body, headers=_signed("d-9", body)))
            return answers

    answers = asyncio.run(post_all())

    assert sorted(answer.status_code for answer in answers) == [202] * 4 + [503] * 2
    assert answers[-1].status_code == 202, "what was held is given back"
    assert {answer.headers.get("Retry-After") for answer in answers if answer.status_code == 503} == {"5"}


def test_a_body_that_trickles_in_is_not_waited_for() -> None:
    door = Door(limits=Limits(body_seconds=0.1))

    async def trickle() -> int:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(5)
            yield b"}"

        transport = httpx.ASGITransport(app=door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            answer = await client.post("/webhooks/github", content=chunks(), headers=_signed("d-1"))
            return answer.status_code

    assert asyncio.run(trickle()) == 408
    assert door.stored == ()


def test_many_deliveries_ring_a_few_times_and_the_last_is_told_of() -> None:
    door, seen = Door(), list[int]()
    door.app = create_app(door.inbox, (SECRET,), FakeClock(), lambda: seen.append(len(door.stored)))

    async def post_all() -> None:
        transport = httpx.ASGITransport(app=door.app)
        async with (
            door.app.router.lifespan_context(door.app),
            httpx.AsyncClient(transport=transport, base_url="http://receiver") as client,
        ):
            for number in range(50):
                await client.post("/webhooks/github", content=BODY, headers=_signed(f"d-{number}"))

    asyncio.run(post_all())

    assert seen[-1] == 50
    assert len(seen) < 10


def test_the_published_example_of_a_signature_is_accepted() -> None:
    """From GitHub's "Validating webhook deliveries", "Testing the webhook payload validation"."""
    door = Door("It's a Secret to Everybody")
    published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert door.post(b"Hello, World!", {"X-Hub-Signature-256": published}).status_code == 202
    assert door.post(b"Hello, World?", {"X-Hub-Signature-256": published}).status_code == 401


def _signed(name: str, body: bytes = BODY) -> dict[str, str]:
    return {"X-GitHub-Delivery": name, "X-GitHub-Event": "push", "X-Hub-Signature-256": signature_of(body, SECRET)}


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
