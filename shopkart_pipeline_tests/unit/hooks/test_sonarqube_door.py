"""SonarQube's door: there is none without a secret, and nothing that is unsigned gets through it."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters._sonarqube_hints import Hints
from shopkart_pipeline.adapters.sonarqube_webhook import signature_of
from shopkart_pipeline.hooks.bodies import MAXIMUM_BODY_BYTES
from shopkart_pipeline.hooks.receiver import SonarQubeDoor, create_app
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

SECRET = "battery staple"
TASK = "AVh21JS2JepAEhwQ-b3u"
BODY = json.dumps({"serverUrl": "http://localhost:9000", "taskId": TASK, "status": "SUCCESS"}).encode()


class Door:
    """A receiver that leaves hints in a folder."""

    def __init__(self, folder: Path, *secrets: str) -> None:
        self.folder = folder / "sonarqube"
        self.inbox = MemoryInbox()
        self.rung = 0
        door = SonarQubeDoor(secrets, Hints(self.folder).leave)
        self.app = create_app(self.inbox, ["github"], FakeClock(), self._ring, door)

    def _ring(self) -> None:
        self.rung += 1

    def post(self, body: bytes = BODY, signature: str | None = None, method: str = "POST") -> httpx.Response:
        """What SonarQube is answered; signed with the secret unless there is a signature."""
        signed = signature_of(body, SECRET) if signature is None else signature
        headers = {"X-Sonar-Webhook-HMAC-SHA256": signed, "X-SonarQube-Project": "shop"} if signed else {}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
                return await client.request(method, "/webhooks/sonarqube", content=body, headers=headers)

        return asyncio.run(ask())

    @property
    def hints(self) -> list[str]:
        return [hint.name for hint in self.folder.iterdir()] if self.folder.exists() else []


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path, SECRET)


def test_a_signed_delivery_leaves_a_hint_and_nothing_else(door: Door) -> None:
    answer = door.post()

    assert (answer.status_code, answer.json()) == (202, {"task": TASK})
    assert door.hints == [TASK]
    assert (door.folder / TASK).read_bytes() == b""
    assert (door.inbox.pending(), door.rung) == ((), 0)


def test_a_delivery_that_comes_again_leaves_the_same_hint(door: Door) -> None:
    door.post()

    assert door.post().status_code == 202
    assert door.hints == [TASK]


@pytest.mark.parametrize(
    "signature", ["", signature_of(BODY, "another"), signature_of(b"x", SECRET), "sha256=" + signature_of(BODY, SECRET)]
)
def test_what_is_not_signed_is_refused_and_leaves_no_trace(door: Door, signature: str) -> None:
    assert door.post(signature=signature).status_code == 401
    assert door.hints == []


def test_the_signature_is_looked_at_before_the_body(door: Door) -> None:
    assert door.post(b"{garbage", signature="0" * 64).status_code == 401


@pytest.mark.parametrize("body", [b"", b"{garbage", b"[]", b'{"taskId": "../../inbox.db"}', b'{"taskId": 1}'])
def test_signed_garbage_is_refused_and_leaves_no_trace(door: Door, body: bytes) -> None:
    assert door.post(body).status_code == 400
    assert door.hints == []


def test_a_delivery_about_no_task_is_accepted_and_leaves_no_hint(door: Door) -> None:
    answer = door.post(b'{"project": {"key": "shop"}}')

    assert (answer.status_code, answer.json()) == (202, {"task": None})
    assert door.hints == []


def test_any_of_several_secrets_will_do(tmp_path: Path) -> None:
    assert Door(tmp_path, "new", SECRET).post().status_code == 202


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_there_is_no_door(tmp_path: Path, secrets: tuple[str, ...]) -> None:
    door = Door(tmp_path, *secrets)

    assert door.post(signature=signature_of(BODY, "")).status_code == 404
    assert door.hints == []


def test_the_door_takes_deliveries_alone(door: Door) -> None:
    assert door.post(method="GET").status_code == 405


def test_a_body_that_is_too_large_is_refused(door: Door) -> None:
    assert door.post(b"x" * (MAXIMUM_BODY_BYTES + 1)).status_code == 413


def test_a_hint_that_can_not_be_left_is_not_acknowledged(door: Door) -> None:
    door.folder.write_text("in the way")

    assert door.post().status_code == 503


def test_the_secret_is_not_in_the_words_for_the_door() -> None:
    assert SECRET not in repr(SonarQubeDoor((SECRET,)))
