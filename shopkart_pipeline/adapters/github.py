"""GitHub's webhooks: is a delivery signed, and what does it say?

Signatures follow GitHub's "Validating webhook deliveries": HMAC-SHA256 over the raw body in `X-Hub-Signature-256`.
Reading is strict about what we act upon and lenient about everything else. Payloads are those of GitHub's "Webhook
events and payloads".
"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.forge import Forge, Ignored, PullRequestEvent, Push
from shopkart_pipeline.ports.inbox import Delivery

_SHA = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
_BRANCH = re.compile(r"refs/heads/\S{1,250}")
_LOGIN = re.compile(r"[A-Za-z0-9_-]{1,100}(\[bot\])?")
_BRANCH_NAME = re.compile(r"\S{1,250}")
_NOTHING = "0" * 40
_MOST_PULL_REQUESTS = 10**9
_PROPOSING = frozenset({"opened", "reopened", "synchronize", "ready_for_review"})
"""Actions after which a head stands to be tried out. `edited` does the same where the base was changed."""


def signature_of(body: bytes, secret: str) -> str:
    """The value of `X-Hub-Signature-256` for a body under a secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_signed(body: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Whether the signature fits the body under any of the secrets; compared in constant time, all of them."""
    fits = [hmac.compare_digest(signature_of(body, secret).encode(), (signature or "").encode()) for secret in secrets]
    return any(fits)


class GitHubForge(Forge):
    """Reads the events that ask for a release, or for a proposed one."""

    def read(self, delivery: Delivery) -> Push | PullRequestEvent | Ignored:
        match delivery.event:
            case "push":
                return _push(_object(delivery.body))
            case "pull_request":
                return _pull_request(_object(delivery.body))
            case _:
                return Ignored(f"the event {delivery.event} asks for nothing")

    def head_reference(self, number: int) -> str:
        return f"refs/pull/{number}/head"


def _push(payload: dict[str, Any]) -> Push | Ignored:
    ref = _text(payload, "ref")
    if not _BRANCH.fullmatch(ref):
        return Ignored(f"{ref[:100]!r} is not a branch")
    sha = _matching(payload, "after", _SHA)
    if sha == _NOTHING:
        return Ignored(f"{ref} was deleted")
    before = _matching(payload, "before", _SHA)
    return Push(
        repository=_matching(_object_in(payload, "repository"), "full_name", _REPOSITORY),
        branch=ref.removeprefix("refs/heads/"),
        sha=sha,
        previous_sha=None if before == _NOTHING else before,
        actor=_matching(_object_in(payload, "sender"), "login", _LOGIN),
    )


def _pull_request(payload: dict[str, Any]) -> PullRequestEvent | Ignored:
    action = _text(payload, "action")
    is_moved = action == "edited" and "base" in _object_in(payload, "changes")
    if action not in _PROPOSING and action != "closed" and not is_moved:
        return Ignored(f"a pull request that was {action[:40]!r} asks for nothing")
    pull_request = _object_in(payload, "pull_request")
    base, head = _object_in(pull_request, "base"), _object_in(pull_request, "head")
    repository = _matching(_object_in(payload, "repository"), "full_name", _REPOSITORY)
    return PullRequestEvent(
        repository=repository,
        number=_number(payload),
        branch=_matching(base, "ref", _BRANCH_NAME),
        base_sha=_matching(base, "sha", _SHA),
        sha=_matching(head, "sha", _SHA),
        from_fork=_is_elsewhere(head, repository),
        is_open=action != "closed" and pull_request.get("state") != "closed",
        is_merged=pull_request.get("merged") is True,
        updated_at=_time(pull_request, "updated_at"),
        actor=_matching(_object_in(payload, "sender"), "login", _LOGIN),
    )


def _is_elsewhere(head: dict[str, Any], repository: str) -> bool:
    """Whether the head is not for certain in our own repository. A fork that was deleted is null; where it says
    nothing else, it is a stranger's."""
    home = head.get("repo")
    return not isinstance(home, dict) or cast("dict[str, Any]", home).get("full_name") != repository


def _number(payload: dict[str, Any]) -> int:
    value = payload.get("number")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _MOST_PULL_REQUESTS:
        raise _unreadable("`number` is not that of a pull request")
    return value


def _time(payload: dict[str, Any], key: str) -> datetime:
    try:
        value = datetime.fromisoformat(_text(payload, key))
    except ValueError as error:
        raise _unreadable(f"`{key}` is not a time") from error
    if value.tzinfo is None:
        raise _unreadable(f"`{key}` says no time zone")
    return value


def _object(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable("it is not JSON") from error
    if not isinstance(payload, dict):
        raise _unreadable("it is not an object")
    return payload  # pyright: ignore[reportUnknownVariableType] -- json gives str keys for objects


def _object_in(payload: dict[str, Any], key: str) -> dict[str, Any]:
    value = payload.get(key)
    if not isinstance(value, dict):
        raise _unreadable(f"`{key}` is not an object")
    return value  # pyright: ignore[reportUnknownVariableType] -- see above


def _text(payload: dict[str, Any], key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str) or not value:
        raise _unreadable(f"`{key}` is not text")
    return value


def _matching(payload: dict[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    value = _text(payload, key)
    if not pattern.fullmatch(value):
        raise _unreadable(f"`{key}` has not the expected form")
    return value


def _unreadable(reason: str) -> UntrustedInput:
    return UntrustedInput(f"The payload can't be used: {reason}.", "Set the webhook to application/json.")
