"""Slack's incoming webhooks, over real HTTP: what is said, what can't be smuggled in, and what follows from answers."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shopkart_pipeline.adapters.slack_webhook import SlackWebhook, message_of
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.ports.notifier import NotDelivered
from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

PATH = "/services/T0001/B0002/XXverysecretXX"
HOSTILE = Notification(
    "backend-1/opened",
    "backend-1",
    "<!channel> & <https://evil.example|click>\nsecond line",
    "KeyError: '<@U123>' & more\n*bold* \x1b[31mred",
    "https://pipeline.example/runs/1?a=1|2",
)


@dataclass
class Webhook:
    """A server that answers as it is told, and keeps what it got."""

    status: int = 200
    words: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    hang: threading.Event | None = None
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    address: str = ""


@contextmanager
def _running() -> Generator[Webhook]:
    webhook = Webhook()

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            webhook.got.append((self.path, json.loads(self.body())))
            if webhook.hang is not None:
                webhook.hang.wait(10)
                self.close_connection = True
                return
            self.send_response(webhook.status)
            for name, value in webhook.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(webhook.words)))
            self.end_headers()
            self.wfile.write(webhook.words)

    with served(Handler) as address:
        webhook.address = f"{address}{PATH}"
        yield webhook


@pytest.fixture(scope="module")
def server() -> Generator[Webhook]:
    with _running() as webhook:
        yield webhook


@pytest.fixture
def webhook(server: Webhook) -> Webhook:
    server.status, server.words, server.headers, server.hang = 200, b"ok", {}, None
    server.got.clear()
    return server


def _send(webhook: Webhook, notification: Notification = HOSTILE, timeout_seconds: float = 5.0) -> str:
    channel = SlackWebhook("oncall", lambda: webhook.address, timeout_seconds)
    return channel.send(notification, None, maybe_sent=False)


def test_a_message_arrives_at_the_secret_address(webhook: Webhook) -> None:
    assert _send(webhook) == ""

    assert webhook.got == [(PATH, message_of(HOSTILE))]


@pytest.mark.parametrize("words", [b"ok", b"OK\n", b"", b'{"success":true}', b'{ "ok": true, "id": 7 }'])
def test_what_takes_slacks_webhooks_may_say_so_in_its_own_words(webhook: Webhook, words: bytes) -> None:
    webhook.words = words

    assert _send(webhook) == ""


def test_nobody_can_be_mentioned_and_nothing_be_linked_by_what_is_told() -> None:
    message = message_of(HOSTILE)
    header, section, context = message["blocks"]

    assert header["text"]["type"] == "plain_text"
    assert section["text"]["text"] == "KeyError: '&lt;@\u200bU123&gt;' &amp; more\n*bold* \x1b[31mred"
    assert context["elements"][0]["text"] == "<https://pipeline.example/runs/1?a=1%7C2>"
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; second line" in message["text"]
    assert "<!channel>" not in message["text"]


def test_servers_that_know_markdown_mention_nobody_and_show_no_picture_either() -> None:
    message = message_of(Notification("a", "b", "@all look", "@here ![x](https://evil.example/p) a@b.example"))

    for mention in ("@all", "@here", "](https"):
        assert mention not in json.dumps(message)
    assert message["text"].replace("\u200b", "").endswith("@here ![x](https://evil.example/p) a@b.example")


@pytest.mark.parametrize("character", ["&", "x", "\N{PILE OF POO}"])
def test_what_is_long_stays_within_slacks_limits_and_no_entity_is_cut(character: str) -> None:
    message = message_of(Notification("a", "b", character * 4000, character * 40_000, None, Urgency.OVER))
    header, section = message["blocks"]

    assert len(header["text"]["text"]) <= 150
    assert len(section["text"]["text"]) <= 3000
    assert len(message["text"]) <= 12_600
    assert section["text"]["text"].replace("&amp;", "").count("&") == 0
    assert section["text"]["text"].endswith("…")


def test_without_words_there_is_no_empty_block() -> None:
    assert [block["type"] for block in message_of(Notification("a", "b", "subject", ""))["blocks"]] == ["header"]


def test_a_rest_that_slack_asks_for_is_told(webhook: Webhook) -> None:
    webhook.status, webhook.words, webhook.headers = 429, b"rate_limited", {"Retry-After": "30"}

    with pytest.raises(NotDelivered, match="Channel oncall answered 429: rate_limited") as caught:
        _send(webhook)
    assert caught.value.wait_seconds == 30
    assert len(webhook.got) == 1


def test_what_slack_will_never_take_is_refused(webhook: Webhook) -> None:
    webhook.status, webhook.words = 400, b"invalid_payload"

    with pytest.raises(Refused, match="invalid_payload"):
        _send(webhook)


@pytest.mark.parametrize("status", [403, 404, 410, 500, 503, 302])
def test_every_other_answer_is_tried_again_and_shows_no_secret(webhook: Webhook, status: int) -> None:
    webhook.status, webhook.words = status, b"no_service"

    with pytest.raises(NotDelivered) as caught:
        _send(webhook)
    assert "verysecret" not in str(caught.value)
    assert len(webhook.got) == 1


def test_an_answer_that_is_not_slacks_is_no_arrival(webhook: Webhook) -> None:
    webhook.words = b"<html>Log in to the proxy</html>"

    with pytest.raises(NotDelivered, match="Log in to the proxy"):
        _send(webhook)


def test_a_server_that_hangs_is_left_after_the_deadline_without_showing_the_secret(webhook: Webhook) -> None:
    webhook.hang = threading.Event()
    try:
        with pytest.raises(NotDelivered, match="ran out of time") as caught:
            _send(webhook, timeout_seconds=0.1)
        assert "verysecret" not in str(caught.value)
    finally:
        webhook.hang.set()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/services/verysecret", "http://hooks.example/verysecret", "verysecret", "https://["]
)
def test_an_address_that_leads_nowhere_is_told_without_it(address: str) -> None:
    with pytest.raises(NotDelivered) as caught:
        SlackWebhook("oncall", lambda: address, 0.3).send(HOSTILE, None, maybe_sent=False)
    assert "verysecret" not in str(caught.value)


def test_a_secret_that_is_not_there_is_told() -> None:
    def missing() -> str:
        raise ToolUnavailable("SHOPKART_NOTIFY_ONCALL is not set.", "Set it.")

    with pytest.raises(NotDelivered, match="SHOPKART_NOTIFY_ONCALL is not set"):
        SlackWebhook("oncall", missing).send(HOSTILE, None, maybe_sent=False)
