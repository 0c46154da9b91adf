"""Webhooks: they are really posted, signed, and every attempt is listed. Nothing is delivered again unless somebody
asks, as at GitHub."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal
from shopkart_pipeline_tests.fakes.github_server.world import Document, GitHubWorld, Repository


@dataclass
class Webhook:
    """One webhook, the App's or a repository's."""

    world: GitHubWorld
    url: str
    secret: str
    id: int = 1
    attempts: list[Document] = field(default_factory=list[Document])
    """As they are listed, oldest first."""
    sent: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """Event and body by GUID."""

    def deliver(self, event: str, payload: Document, *, guid: str | None = None) -> str:
        """Tell of an event, once; gives its GUID."""
        guid = guid or str(uuid.uuid4())
        self.sent[guid] = (event, json.dumps(payload).encode())
        self._attempt(guid, redelivery=False)
        return guid

    def deliver_again(self, number: int) -> None:
        """Another attempt for what that attempt was about."""
        guid = next((each["guid"] for each in self.attempts if each["id"] == number), None)
        if guid is None:
            raise Refusal(404, "Not Found")
        self._attempt(guid, redelivery=True)

    def _attempt(self, guid: str, *, redelivery: bool) -> None:
        event, body = self.sent[guid]
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/1",
            "X-GitHub-Delivery": guid,
            "X-GitHub-Event": event,
            "X-Hub-Signature-256": signature_of(body, self.secret),
        }
        try:
            status = httpx.post(self.url, content=body, headers=headers, timeout=10.0).status_code
        except httpx.HTTPError:
            status = 502
        self.list(guid, event, status, redelivery=redelivery)

    def list(self, guid: str, event: str, status: int, *, redelivery: bool = False, **details: Any) -> Document:
        """Write an attempt down; nothing is posted."""
        attempt = {
            "id": next(self.world.ids),
            "guid": guid,
            "delivered_at": self.world.stamp(),
            "redelivery": redelivery,
            "duration": 0.1,
            "status": "OK" if 200 <= status < 300 else "failed to connect to host",
            "status_code": status,
            "event": event,
            "action": None,
            "installation_id": 1,
            "repository_id": 1,
            **details,
        }
        self.attempts.append(attempt)
        return attempt


def app_hook(world: GitHubWorld, url: str = "http://127.0.0.1:9/webhooks/github", secret: str = "secret") -> Webhook:
    """The App's one webhook, which is made where there is none."""
    return world.extra.setdefault("hook", Webhook(world, url, secret))


def add_hook(
    world: GitHubWorld, repository: Repository, url: str = "http://127.0.0.1:9/webhooks/github", secret: str = "secret"
) -> Webhook:
    """One more webhook of a repository."""
    made = Webhook(world, url, secret, next(world.ids))
    _hooks(repository).append(made)
    return made


def _hooks(repository: Repository) -> list[Webhook]:
    return repository.extra.setdefault("hooks", list[Webhook]())


def _of_repository(call: Call) -> Webhook:
    found = next((each for each in _hooks(call.repository) if str(each.id) == call.path["hook"]), None)
    if found is None:
        raise Refusal(404, "Not Found")
    return found


def _listed(webhook: Webhook) -> Answer:
    return Answer(list(reversed(webhook.attempts)), items="")


def _app_deliveries(call: Call) -> Answer:
    return _listed(app_hook(call.world))


def _app_attempt(call: Call) -> Answer:
    app_hook(call.world).deliver_again(int(call.path["delivery"]))
    return Answer({}, 202)


def _list_hooks(call: Call) -> Answer:
    hooks = [
        {"id": each.id, "name": "web", "active": True, "config": {"url": each.url, "content_type": "json"}}
        for each in _hooks(call.repository)
    ]
    return Answer(hooks, items="")


def _deliveries(call: Call) -> Answer:
    return _listed(_of_repository(call))


def _attempt(call: Call) -> Answer:
    _of_repository(call).deliver_again(int(call.path["delivery"]))
    return Answer({}, 202)


_HOOK = "/repos/{owner}/{repo}/hooks/{hook}"
ENDPOINTS = [
    Endpoint("GET", "/app/hook/deliveries", "app", _app_deliveries),
    Endpoint("POST", "/app/hook/deliveries/{delivery}/attempts", "app", _app_attempt),
    Endpoint("GET", "/repos/{owner}/{repo}/hooks", "repository_hooks=read", _list_hooks),
    Endpoint("GET", f"{_HOOK}/deliveries", "repository_hooks=read", _deliveries),
    Endpoint("POST", f"{_HOOK}/deliveries/{{delivery}}/attempts", "repository_hooks=write", _attempt),
]
