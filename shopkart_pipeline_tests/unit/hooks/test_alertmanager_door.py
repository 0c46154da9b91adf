"""Alertmanager's door: there is none without a token, and nothing gets through it that is not on disk by then."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.hooks.bodies import MAXIMUM_BODY_BYTES
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.ports.alert_reader import ALERTS
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

TOKEN = "battery-staple"
BODY = (Path(__file__).parents[2] / "samples" / "alertmanager" / "firing_two.json").read_bytes()


class Door:
    """A receiver that Alertmanager knocks at."""

    def __init__(self, *tokens: str, inbox: MemoryInbox | None = None) -> None:
        self.inbox, self.clock, self.rung = inbox or MemoryInbox(), FakeClock(), 0
        self.app = create_app(self.inbox, ["github"], self.clock, self._ring, alertmanager_tokens=tokens)

    def _ring(self) -> None:
        self.rung += 1

    def post(
        self,
        body: bytes = BODY,
        authorization: str | None = f"Bearer {TOKEN}",
        path: str = "/webhooks/alertmanager",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        given = {**({} if authorization is None else {"Authorization": authorization}), **(headers or {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with (
                self.app.router.lifespan_context(self.app),
                httpx.AsyncClient(transport=transport, base_url="http://receiver") as client,
            ):
                return await client.post(path, content=body, headers=given)

        return asyncio.run(ask())


@pytest.fixture
def door() -> Door:
    return Door("another", TOKEN)


def test_alerts_are_in_the_inbox_before_they_are_acknowledged(door: Door) -> None:
    answer = door.post()

    [kept] = door.inbox.pending()
    assert (answer.status_code, answer.json()) == (200, {"delivery": kept.id, "new": True})
    assert (kept.event, kept.body, door.rung) == (ALERTS, BODY, 1)


def test_what_is_told_again_at_once_is_the_same_delivery_and_later_it_is_news(door: Door) -> None:
    """Between the two it may have been resolved, and Alertmanager repeats it only after hours."""
    door.post()
    assert door.post().json()["new"] is False

    door.clock.advance(60)

    assert door.post().json()["new"] is True


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"]
)
def test_whoever_has_no_token_is_refused_unread(door: Door, authorization: str | None) -> None:
    answer = door.post(b"{garbage", authorization)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert door.inbox.pending() == ()


@pytest.mark.parametrize("tokens", [(), ("",)])
def test_without_a_token_there_is_no_door(tokens: tuple[str, ...]) -> None:
    assert Door(*tokens).post(authorization="Bearer ").status_code == 404


def test_a_body_that_is_too_large_is_refused(door: Door) -> None:
    assert door.post(b"x" * (MAXIMUM_BODY_BYTES + 1)).status_code == 413


class _FullInbox(MemoryInbox):
    def put_all(self, deliveries: Sequence[Delivery]) -> tuple[bool, ...]:
        raise ToolUnavailable("The disk is full.", "")


def test_what_can_not_be_kept_is_not_acknowledged() -> None:
    answer = Door(TOKEN, inbox=_FullInbox()).post()

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_the_inbox_takes_no_alerts_by_githubs_door(door: Door) -> None:
    headers = {
        "X-GitHub-Event": ALERTS,
        "X-GitHub-Delivery": "d-1",
        "X-Hub-Signature-256": signature_of(BODY, "github"),
    }

    assert door.post(authorization=None, path="/webhooks/github", headers=headers).status_code == 400
    assert door.inbox.pending() == ()
