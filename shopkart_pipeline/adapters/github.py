"""GitHub's webhooks: is a delivery signed, and what does it say?

Signatures follow GitHub's "Validating webhook deliveries": HMAC-SHA256 over the raw body in `X-Hub-Signature-256`.
Reading is strict about what we act upon and lenient about everything else.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any

from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.forge import Forge, Ignored, Push
from shopkart_pipeline.ports.inbox import Delivery

_SHA = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
_BRANCH = re.compile(r"refs/heads/\S{1,250}")
_LOGIN = re.compile(r"[A-Za-z0-9_-]{1,100}(\[bot\])?")
_NOTHING = "0" * 40


def signature_of(body: bytes, secret: str) -> str:
    """The value of `X-Hub-Signature-256` for a body under a secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_signed(body: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Whether the signature fits the body under any of the secrets; compared in constant time, all of them."""
    fits = [hmac.compare_digest(signature_of(body, secret).encode(), (signature or "").encode()) for secret in secrets]
    return any(fits)


class GitHubForge(Forge):
    """Reads the events that ask for a release."""

    def read(self, delivery: Delivery) -> Push | Ignored:
        if delivery.event != "push":
            return Ignored(f"the event {delivery.event} asks for nothing")
        payload = _object(delivery.body)
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
    return UntrustedInput(f"The payload of the push can't be used: {reason}.", "Set the webhook to application/json.")
