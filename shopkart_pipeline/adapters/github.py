"""GitHub's webhooks: is a delivery signed, and what does it say?

Signatures follow GitHub's "Validating webhook deliveries": HMAC-SHA256 over the raw body in `X-Hub-Signature-256`.
Reading is strict about what we act upon and lenient about everything else. Payloads are those of GitHub's "Webhook
events and payloads".
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import cast

from shopkart_pipeline.adapters._github_events import read_merge_group, read_pull_request, read_push
from shopkart_pipeline.adapters._github_fields import Payload, object_in, object_of
from shopkart_pipeline.adapters._github_people import read_comment, read_deployment_review, read_review
from shopkart_pipeline.ports.forge import Event, Forge, Ignored, Ping
from shopkart_pipeline.ports.inbox import Delivery

EVENTS = ("push", "pull_request", "pull_request_review", "issue_comment", "merge_group", "deployment_review")
"""What a webhook has to be subscribed to."""


def signature_of(body: bytes, secret: str) -> str:
    """The value of `X-Hub-Signature-256` for a body under a secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_signed(body: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Whether the signature fits the body under any of the secrets; compared in constant time, all of them."""
    fits = [hmac.compare_digest(signature_of(body, secret).encode(), (signature or "").encode()) for secret in secrets]
    return any(fits)


class GitHubForge(Forge):
    """Reads the events of `EVENTS`, and `ping`."""

    def read(self, delivery: Delivery) -> Event:
        if delivery.event == "ping":
            return _ping(object_of(delivery.body))
        if delivery.event not in EVENTS:
            return Ignored(f"the event {delivery.event} asks for nothing")
        payload = object_of(delivery.body)
        match delivery.event:
            case "push":
                return read_push(payload)
            case "pull_request":
                return read_pull_request(payload)
            case "merge_group":
                return read_merge_group(delivery, payload)
            case "pull_request_review":
                return read_review(payload)
            case "issue_comment":
                return read_comment(payload)
            case _:
                return read_deployment_review(payload)

    def head_reference(self, number: int) -> str:
        return f"refs/pull/{number}/head"


def _ping(payload: Payload) -> Ping:
    subscribed = object_in(payload, "hook").get("events")
    names = cast("list[object]", subscribed) if isinstance(subscribed, list) else []
    return Ping(() if "*" in names else tuple(event for event in EVENTS if event not in names))
