"""A channel of Slack, Mattermost or Rocket.Chat, by an incoming webhook.

The address is the secret, so it is asked for anew for each message and appears in no error. `text` says everything,
for servers that know nothing else and for the lines that a telephone shows; Slack shows the blocks instead. What we
tell comes from logs and commits, so it is escaped: nobody can be mentioned and nothing be linked by it. Slack's own
escapes are not enough, as the others take `@all` and links of Markdown for what they are: something that nobody sees
parts their characters.

Source: Slack, "Sending messages using incoming webhooks" (its errors), "Formatting text for app surfaces" (`&`, `<`,
`>`), "Block Kit: header, section, context" (150 and 3,000 characters), "Rate limits" (`Retry-After`).
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from shopkart_pipeline.adapters._http import Answer, Ask, HttpClient
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.notifier import NotDelivered, Notifier

TIMEOUT_SECONDS = 10.0
_LIMIT_BYTES = 64 * 1024
_HEADER_CHARACTERS, _SECTION_CHARACTERS, _TEXT_CHARACTERS = 150, 2900, 12_000
_SUBJECT_CHARACTERS = 500
_LONGEST_WAIT_SECONDS = 600.0
_MARKS = {
    Urgency.URGENT: "\N{LARGE RED CIRCLE}",
    Urgency.NORMAL: "\N{LARGE YELLOW CIRCLE}",
    Urgency.OVER: "\N{LARGE GREEN CIRCLE}",
}
_NEVER = frozenset({"invalid_payload", "no_text", "message_limit_exceeded", "invalid_blocks"})
"""Slack's words for a message that it will not take the next time either."""
_SUCCESS = re.compile(r'\{\s*"(success|ok)"\s*:\s*true\s*[,}].*')
_ACTIVE = re.compile(r"@(?=\w)|\](?=\()")
"""Where mentions and links of Markdown begin."""
_ANSWERS = frozenset(range(200, 600))


class SlackWebhook(Notifier):
    """One webhook.

    Args:
        name: of the channel, as declared.
        address: gives the webhook's whole address; raises `PipelineError` where it can't be had.
        timeout_seconds: for one message.
    """

    def __init__(self, name: str, address: Callable[[], str], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._name, self._address, self._timeout_seconds = name, address, timeout_seconds

    def send(self, notification: Notification, remote_id: str | None, *, maybe_sent: bool) -> str:
        answer = self._post(json.dumps(message_of(notification)).encode())
        words = plain(answer.content.decode(errors="replace"))[:200].strip()
        if 200 <= answer.status < 300 and _is_taken(words):
            return ""
        what = f"Channel {self._name} answered {answer.status}: {words or 'nothing'}."
        if answer.status == 400 and words in _NEVER:
            raise Refused(what, "Report it with the notification that it is about.")
        raise NotDelivered(what, _fix(answer.status), _asked_pause(answer))

    def _post(self, body: bytes) -> Answer:
        try:
            address = self._address()
        except PipelineError as error:
            raise NotDelivered(error.what, error.fix) from None
        url = _split(address)
        if url.scheme != "https" and url.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise NotDelivered(
                f"The address of channel {self._name} is none that begins with https://.", "Set it to the webhook's."
            )
        path = url.path + (f"?{url.query}" if url.query else "")
        client = HttpClient(f"Channel {self._name}", f"{url.scheme}://{url.netloc}", environment=True)
        ask = Ask(
            "POST",
            path or "/",
            accept=_ANSWERS,
            headers={"Content-Type": "application/json"},
            body=body,
            timeout_seconds=self._timeout_seconds,
            limit_bytes=_LIMIT_BYTES,
            once=True,
        )
        try:
            return client.ask(ask)
        except PipelineError as error:
            raise NotDelivered(_without(error.what, address, url.path), error.fix) from None
        except ValueError:
            raise NotDelivered(
                f"The address of channel {self._name} can't be used.", "Set it to the webhook's."
            ) from None
        finally:
            client.close()


def _is_taken(words: str) -> bool:
    """Slack and Mattermost say `ok`, Rocket.Chat a document; a page of whoever sits between says something else."""
    return words.casefold() in ("ok", "") or bool(_SUCCESS.fullmatch(words))


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def message_of(notification: Notification) -> dict[str, Any]:
    """The message, as Slack's webhooks take it."""
    mark = _MARKS[notification.urgency]
    subject, told = _parted(plain(notification.subject)), _parted(notification.body)
    link = _link(notification.url)
    text = f"{mark} *{_cut_escaped(subject, _SUBJECT_CHARACTERS)}*\n{_cut_escaped(told, _TEXT_CHARACTERS)}"
    header = _cut(f"{mark} {subject}", _HEADER_CHARACTERS)
    body = _cut_escaped(told, _SECTION_CHARACTERS)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}}]
    if body.strip():
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": body, "verbatim": True}})
    if link:
        text += f"\n{link}"
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": link, "verbatim": True}]})
    return {"text": text, "blocks": blocks}


def _link(url: str | None) -> str:
    if not url or not url.startswith(("https://", "http://")):
        return ""
    return f"<{_escaped(url).replace('|', '%7C')}>"


def _parted(text: str) -> str:
    return _ACTIVE.sub("\\g<0>\N{ZERO WIDTH SPACE}", text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, limit_characters: int) -> str:
    return text if len(text) <= limit_characters else text[: limit_characters - 1] + "…"


def _cut_escaped(text: str, limit_characters: int) -> str:
    """Escaped text within a limit; no entity is cut in two."""
    kept, left = list[str](), limit_characters - 1
    for character in map(_escaped, text):
        left -= len(character)
        if left < 0:
            return "".join((*kept, "…"))
        kept.append(character)
    return "".join(kept)


def _asked_pause(answer: Answer) -> float:
    asked = answer.headers.get("retry-after", "").strip()
    return min(float(asked), _LONGEST_WAIT_SECONDS) if asked.isdecimal() and len(asked) < 9 else 0.0


def _fix(status: int) -> str:
    if status in (401, 403, 404, 410):
        return "Make a new webhook for the channel, and put its address where the old one is."
    return "It is tried again by itself."


def _without(text: str, *secrets: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "/…") if len(secret) > 1 else text
    return text
