"""The GitHub App that the pipeline acts as: which permissions and events it needs and why, and what it lacks.

The tables here are the only place that says so: the registration link is made of them, `docs/github.md` shows them, and
the installation at each repository is compared with them. More than is needed is told as well as less. Names are those
of GitHub's "Permissions required for GitHub Apps"; levels are `read` and `write`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.domain.declaration import Source

_PUBLIC_API = "https://api.github.com"
_PUBLIC_WEB = "https://github.com"
_LEVELS = {"read": ("read", "write", "admin"), "write": ("write", "admin")}
"""Levels that include one."""


@dataclass(frozen=True)
class Permission:
    """One permission on repositories."""

    level: str
    label: str
    """As GitHub's settings spell it."""
    purpose: str


PERMISSIONS: Mapping[str, Permission] = {
    "administration": Permission("read", "Administration", "how branches are protected"),
    "checks": Permission("write", "Checks", "a check for each stage, and one for the whole commit"),
    "contents": Permission("read", "Contents", "heads of branches, CODEOWNERS, and what git fetches"),
    "deployments": Permission("write", "Deployments", "deployments and how they stand"),
    "issues": Permission("read", "Issues", "commands in comments (GitHub sends comments to nobody else)"),
    "merge_queues": Permission("read", "Merge queues", "what a merge queue wants to have checked"),
    "metadata": Permission("read", "Metadata", "GitHub gives it to every App"),
    "pull_requests": Permission("write", "Pull requests", "pull requests, their reviews, and the one comment"),
    "security_events": Permission("write", "Code scanning alerts", "findings as SARIF"),
}
_AT_MOST = {"issues": "write"}
"""What is needed where a channel makes issues, and never lacks elsewhere."""
EVENTS: Mapping[str, str] = {
    "push": "a merge becomes a release",
    "pull_request": "a proposed change is tried out",
    "pull_request_review": "who agreed to it",
    "issue_comment": "commands",
    "merge_group": "what a merge queue wants to have checked",
    "deployment_review": "approvals of protected environments, where Actions ask for them",
}


@dataclass(frozen=True)
class Installation:
    """How the App stands at a repository, beside what it needs."""

    lacking: tuple[str, ...]
    """Permissions as `Checks: write`."""
    unneeded: tuple[str, ...]
    """Permissions that are granted and not needed."""
    events_lacking: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        return not self.lacking and not self.events_lacking


def registration_address(organization: str, name: str, public_url: str, hook_url: str, api: str = _PUBLIC_API) -> str:
    """The page where a GitHub App of an organization is registered, filled in.

    Args:
        organization: who will own the App.
        name: of the App.
        public_url: where people reach the pipeline's web interface.
        hook_url: where GitHub reaches the pipeline's receiver.
        api: base address of the REST API, which tells an Enterprise Server's pages.
    """
    fields = [
        ("name", name),
        ("url", public_url),
        ("public", "false"),
        ("webhook_active", "true"),
        ("webhook_url", hook_url),
        *((permission, needed.level) for permission, needed in PERMISSIONS.items()),
        *(("events[]", event) for event in EVENTS),
    ]
    return f"{web_address(api)}/organizations/{organization}/settings/apps/new?{urlencode(fields)}"


def web_address(api: str) -> str:
    """Where the pages are that belong to an API."""
    parts = urlsplit(api)
    return _PUBLIC_WEB if api.rstrip("/") == _PUBLIC_API else f"{parts.scheme}://{parts.netloc}"


class GitHubAccount:
    """Who the pipeline is at GitHub, and what it may do there. Methods raise as `GitHubClient` does."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    @property
    def is_app(self) -> bool:
        """Whether it is an App, and not the owner of a token."""
        return self._client.is_app

    def name(self) -> str:
        """The App's name in addresses, or the login of the token's owner."""
        return str(self._client.itself().get("slug" if self.is_app else "login"))

    def git_authorization(self, source: Source) -> str:
        """The HTTP header `Authorization` by which git may fetch a source; empty for a remote that is not at this
        GitHub. Source: "Authenticating as a GitHub App installation", HTTP-based git access."""
        if not source.remote.startswith(f"{web_address(self._client.api)}/"):
            return ""
        login = f"x-access-token:{self._client.token_for(source.repository)}"
        return f"Basic {base64.b64encode(login.encode()).decode()}"

    def installation_at(self, repository: str) -> Installation:
        """How the App is installed at a repository (`owner/name`); raises `NotFound` where it is not."""
        document = cast("Mapping[str, Any]", self._client.get(None, f"/repos/{repository}/installation"))
        granted = cast("Mapping[str, str]", document.get("permissions") or {})
        return Installation(
            lacking=tuple(
                f"{needed.label}: {needed.level}"
                for name, needed in PERMISSIONS.items()
                if granted.get(name) not in _LEVELS[needed.level]
            ),
            unneeded=tuple(
                f"{_label(name)}: {level}" for name, level in granted.items() if not _is_needed(name, level)
            ),
            events_lacking=tuple(event for event in EVENTS if event not in (document.get("events") or [])),
        )


def _label(permission: str) -> str:
    return PERMISSIONS[permission].label if permission in PERMISSIONS else permission


def _is_needed(permission: str, level: str) -> bool:
    wanted = PERMISSIONS.get(permission)
    return wanted is not None and level in ("read", wanted.level, _AT_MOST.get(permission))
