"""Secrets in AWS Secrets Manager, by name or ARN; of a secret that is a JSON object, one value by `#KEY`.

A value is kept in memory for five minutes and then asked for again, so what was rotated is found. Which version counts
is AWS's business (`AWSCURRENT`). An ARN names its region; for a name it is boto3's own. Nothing of a value is ever in
an error.

Source: AWS Secrets Manager API, `GetSecretValue`; the right that it needs is `secretsmanager:GetSecretValue`.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from shopkart_pipeline.adapters._aws import LazyClient, aws_errors
from shopkart_pipeline.domain.errors import ToolUnavailable

KEPT_SECONDS = 300.0
_ATTEMPTS = 3
_REFERENCE = re.compile(r"(?P<name>[A-Za-z0-9/_+=.@!:-]{1,2048})(?:#(?P<key>[^#\s]{1,256}))?")
_ARN = re.compile(r"arn:[a-z-]+:secretsmanager:([a-z0-9-]+):")
_FIX = "Check the name, the role's right to secretsmanager:GetSecretValue, and the way to AWS; see docs/security.md."


class SecretsManager:
    """Reads secrets, each at most once in five minutes.

    Args:
        seconds: a clock that only goes forward.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._clients: dict[str | None, LazyClient] = {}
        self._kept: dict[str, tuple[float, str]] = {}

    def read(self, reference: str) -> str:
        """The secret that `NAME#KEY`, or `NAME` alone, stands for. Raises `ToolUnavailable`."""
        parts = _REFERENCE.fullmatch(reference)
        if parts is None:
            raise ToolUnavailable(f"{reference!r} names no secret.", "Write its name or ARN, and #KEY for a JSON key.")
        with self._lock:
            value = self._value(parts["name"])
        return value if parts["key"] is None else _at(parts["name"], parts["key"], value)

    def _value(self, name: str) -> str:
        asked_at, value = self._kept.get(name, (None, ""))
        if asked_at is None or self._seconds() >= asked_at + KEPT_SECONDS:
            value = self._asked(name)
            self._kept[name] = (self._seconds(), value)
        return value

    def _asked(self, name: str) -> str:
        arn = _ARN.match(name)
        region = arn[1] if arn else None
        client = self._clients.setdefault(region, LazyClient("secretsmanager", region, attempts=_ATTEMPTS))
        try:
            with aws_errors("docs/security.md"):
                answer = cast(dict[str, Any], client().get_secret_value(SecretId=name))
        except ToolUnavailable as error:
            raise ToolUnavailable(f"The secret {name} can't be read: {error.what}", _FIX) from None
        value = answer.get("SecretString")
        if not isinstance(value, str) or not value.strip():
            raise ToolUnavailable(f"The secret {name} holds no text.", "Store it as text, or as a JSON object.")
        return value.strip()


def _at(name: str, key: str, value: str) -> str:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    held = cast(dict[str, Any], found).get(key) if isinstance(found, dict) else None
    if not isinstance(held, str) or not held:
        raise ToolUnavailable(
            f"The secret {name} has no text under {key!r}.", "Write the key as it is spelt in its JSON object."
        )
    return held
