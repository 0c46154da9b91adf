"""Every payload that GitHub publishes an example of is accepted, kept as it is, and read without an accident."""

import asyncio
import json
import lzma
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters.github import GitHubForge, signature_of
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline_tests.fakes.fake_clock import NOON, FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

SECRET = "correct horse"
_FILE = Path(__file__).parents[2] / "samples" / "github" / "every_example.json.xz"


@cache
def examples() -> tuple[tuple[str, Any], ...]:
    """Event and payload of every published example."""
    by_event: Mapping[str, list[Any]] = json.loads(lzma.decompress(_FILE.read_bytes()))
    return tuple((event, payload) for event, payloads in by_event.items() for payload in payloads)


def test_every_example_is_accepted_and_kept_as_it_is() -> None:
    inbox = MemoryInbox()
    app = create_app(inbox, [SECRET], FakeClock(), lambda: None)

    async def post_all() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://receiver") as client:
            statuses: list[int] = []
            for number, (event, payload) in enumerate(examples()):
                body = json.dumps(payload).encode()
                headers = {
                    "X-GitHub-Event": event,
                    "X-GitHub-Delivery": f"example-{number}",
                    "X-Hub-Signature-256": signature_of(body, SECRET),
                    "Content-Type": "application/json",
                }
                statuses.append((await client.post("/webhooks/github", content=body, headers=headers)).status_code)
            return statuses

    assert asyncio.run(post_all()) == [202] * 329
    kept = [(each.event, json.loads(each.body)) for each in inbox.pending(limit=1000)]
    assert kept == list(examples())


@pytest.mark.parametrize("event", sorted({event for event, _ in examples()}))
def test_no_example_is_beyond_what_can_be_read(event: str) -> None:
    for name, payload in examples():
        if name == event:
            GitHubForge().read(Delivery("d", event, NOON, json.dumps(payload).encode()))


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_READ = ("push", "pull_request", "pull_request_review", "issue_comment", "merge_group", "deployment_review", "ping")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_stands_where_github_puts_something_is_read_or_refused(data: st.DataObject) -> None:
    event, payload = data.draw(st.sampled_from([each for each in examples() if each[0] in _READ]))
    changed = _with(payload, data)

    for body in (json.dumps(changed).encode(), json.dumps(changed, ensure_ascii=False).encode("utf-8", "replace")):
        with suppress(UntrustedInput):
            GitHubForge().read(Delivery("d", event, NOON, body))


def _with(payload: Any, data: st.DataObject) -> Any:
    """The payload with something else, or nothing, at one place of it."""
    if not isinstance(payload, dict) or not payload or data.draw(st.integers(0, 3)) == 0:
        return data.draw(_ANYTHING)
    # What is read stands in the first few levels; most of a payload is addresses.
    telling = [key for key, value in payload.items() if isinstance(value, dict) or not str(key).endswith("url")]
    key = data.draw(st.sampled_from(telling or list(payload)))
    rest = {name: value for name, value in payload.items() if name != key}
    return rest if data.draw(st.integers(0, 4)) == 0 else {**rest, key: _with(payload[key], data)}
