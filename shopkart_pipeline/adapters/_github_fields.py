"""Fields of GitHub's payloads: each is there in its form, or the payload can't be used."""

import json
import re
from datetime import datetime
from typing import Any

from shopkart_pipeline.domain.errors import UntrustedInput

SHA = re.compile(r"[0-9a-f]{40}")
LOGIN = re.compile(r"[A-Za-z0-9_-]{1,100}(\[bot\])?")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
_LARGEST_NUMBER = 10**9
"""Of pull requests; what is counted over all of GitHub gets further."""

Payload = dict[str, Any]


def repository_of(payload: Payload) -> str:
    """`owner/name`."""
    return matching(object_in(payload, "repository"), "full_name", _REPOSITORY)


def login_of(payload: Payload, key: str) -> str:
    """The login of the account that stands under a key."""
    return matching(object_in(payload, key), "login", LOGIN)


def number_in(payload: Payload, key: str, below: int = _LARGEST_NUMBER) -> int:
    value = payload.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < below:
        raise unreadable(f"`{key}` is not a number that GitHub gives")
    return value


def time_in(payload: Payload, key: str) -> datetime:
    try:
        value = datetime.fromisoformat(text_in(payload, key))
    except ValueError as error:
        raise unreadable(f"`{key}` is not a time") from error
    if value.tzinfo is None:
        raise unreadable(f"`{key}` says no time zone")
    return value


def object_of(body: bytes) -> Payload:
    """The payload of a body."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unreadable("it is not JSON") from error
    if not isinstance(payload, dict):
        raise unreadable("it is not an object")
    return payload  # pyright: ignore[reportUnknownVariableType] -- json gives str keys for objects


def object_in(payload: Payload, key: str) -> Payload:
    value = payload.get(key)
    if not isinstance(value, dict):
        raise unreadable(f"`{key}` is not an object")
    return value  # pyright: ignore[reportUnknownVariableType] -- see above


def text_in(payload: Payload, key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str) or not value:
        raise unreadable(f"`{key}` is not text")
    return value


def matching(payload: Payload, key: str, pattern: re.Pattern[str]) -> str:
    value = text_in(payload, key)
    if not pattern.fullmatch(value):
        raise unreadable(f"`{key}` has not the expected form")
    return value


def unreadable(reason: str) -> UntrustedInput:
    """The error for a payload that is not what its event promises."""
    return UntrustedInput(f"The payload can't be used: {reason}.", "Set the webhook to application/json.")
