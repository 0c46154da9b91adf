"""SonarQube's webhooks: is a delivery signed, and which task does it tell of?

Signatures follow SonarQube's "Webhooks" page: the hexadecimal HMAC-SHA256 of the raw body under the webhook's secret,
in `X-Sonar-Webhook-HMAC-SHA256`.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, cast

from shopkart_pipeline.adapters._sonarqube_hints import TASK_ID
from shopkart_pipeline.domain.errors import UntrustedInput


def signature_of(body: bytes, secret: str) -> str:
    """The value of the header for a body under a secret."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_signed(body: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Whether the signature fits the body under any of the secrets; compared in constant time, all of them."""
    fits = [hmac.compare_digest(signature_of(body, secret).encode(), (signature or "").encode()) for secret in secrets]
    return any(fits)


def task_of(body: bytes) -> str | None:
    """The task that ended; None where the delivery tells of something else, such as an issue that was reviewed.

    Raises:
        UntrustedInput: it is not what SonarQube sends.
    """
    try:
        payload: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable("it is not JSON") from error
    if not isinstance(payload, dict):
        raise _unreadable("it is not an object")
    task_id = cast("dict[str, Any]", payload).get("taskId")
    if task_id is None:
        return None
    if not isinstance(task_id, str) or not TASK_ID.fullmatch(task_id):
        raise _unreadable("`taskId` has not the expected form")
    return task_id


def _unreadable(reason: str) -> UntrustedInput:
    return UntrustedInput(f"The payload of the webhook can't be used: {reason}.", "Look at SonarQube's webhooks.")
