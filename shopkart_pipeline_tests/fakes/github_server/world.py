"""What this GitHub knows: Apps and their installations, people's tokens, repositories and what was made in them."""

import functools
import itertools
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline_tests.fakes.github_server.trouble import Troubles

Document = dict[str, Any]
ALL_PERMISSIONS = {
    "metadata": "read",
    "contents": "read",
    "checks": "write",
    "statuses": "write",
    "deployments": "write",
    "pull_requests": "write",
    "issues": "write",
    "security_events": "write",
    "administration": "read",
    "repository_hooks": "write",
}


@functools.cache
def _key(number: int) -> tuple[str, bytes]:
    """A pair of keys; making one takes long."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public


@dataclass
class GitHubApp:
    """A registered App. The server keeps the public half of its key alone, as GitHub does."""

    id: int = 4711
    slug: str = "shopkart-pipeline"
    client_id: str = "Iv23liAbCdEfGhIjKlMn"
    permissions: dict[str, str] = field(default_factory=lambda: dict(ALL_PERMISSIONS))
    events: list[str] = field(default_factory=list[str])
    """What its webhook is told."""
    public_key: bytes = b""
    keys_made: int = 0

    def new_key(self) -> str:
        """Register another key; gives the private half, in PEM, which only the App's owner has."""
        self.keys_made += 1
        private, self.public_key = _key(self.keys_made)
        return private

    @property
    def document(self) -> Document:
        return {"id": self.id, "slug": self.slug, "client_id": self.client_id, "name": self.slug}


@dataclass
class Repository:
    """One repository. Lists hold documents as the API gives them, oldest first."""

    full_name: str
    commits: set[str] = field(default_factory=set[str])
    has_code_scanning: bool = True
    check_runs: list[Document] = field(default_factory=list[Document])
    annotations: dict[int, list[Document]] = field(default_factory=dict[int, list[Document]])
    """By check run."""
    statuses: list[Document] = field(default_factory=list[Document])
    deployments: list[Document] = field(default_factory=list[Document])
    deployment_statuses: dict[int, list[Document]] = field(default_factory=dict[int, list[Document]])
    """By deployment."""
    pull_requests: set[int] = field(default_factory=set[int])
    """Numbers that can be commented on."""
    comments: list[Document] = field(default_factory=list[Document])
    issues: list[Document] = field(default_factory=list[Document])
    """Without pull requests."""
    sarif_uploads: list[Document] = field(default_factory=list[Document])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """What other groups of endpoints keep."""


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int
    """What it was answered with; 0: the connection was dropped."""
    port: int = 0
    """Which connection it came over."""


@dataclass(frozen=True)
class Identity:
    """Who asks."""

    login: str
    kind: str
    """`app` (by its JWT), `installation`, or `user`."""
    permissions: Mapping[str, str]
    owner: str = ""
    """Whose repositories an installation reaches."""
    app: GitHubApp | None = None


@dataclass
class GitHubWorld:
    """The whole of it; tests look at it and change it between requests."""

    clock: Clock
    app: GitHubApp = field(default_factory=GitHubApp)
    installed_for: set[str] = field(default_factory=lambda: {"shopkart"})
    """Owners that have the App installed."""
    repositories: dict[str, Repository] = field(default_factory=dict[str, Repository])
    users: dict[str, Identity] = field(default_factory=dict[str, Identity])
    """By token."""
    tokens: dict[str, tuple[Identity, datetime]] = field(default_factory=dict[str, tuple[Identity, datetime]])
    """Of installations, with their ends."""
    quota: int = 5000
    remaining: int = 5000
    resets_at: datetime | None = None
    troubles: Troubles = field(default_factory=Troubles)
    requests: list[Seen] = field(default_factory=list[Seen])
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """What groups of endpoints keep that are about no repository."""

    def add(self, full_name: str, *commits: str) -> Repository:
        """Make a repository with commits."""
        made = self.repositories[full_name] = Repository(full_name, set(commits))
        return made

    def add_user(self, login: str, permissions: Mapping[str, str] | None = None) -> str:
        """Make a user; gives a token for what they may do."""
        token = f"github_pat_{secrets.token_hex(20)}"
        self.users[token] = Identity(login, "user", dict(ALL_PERMISSIONS if permissions is None else permissions))
        return token

    def make_token(self, owner: str) -> tuple[str, datetime]:
        """A token for the App's installation there, for an hour."""
        token, ends = f"ghs_{secrets.token_hex(18)}", self.clock.now().replace(microsecond=0) + timedelta(hours=1)
        bot = f"{self.app.slug}[bot]"
        self.tokens[token] = Identity(bot, "installation", self.app.permissions, owner, self.app), ends
        return token, ends

    def stamp(self) -> str:
        """The time as GitHub writes it."""
        return f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"

    def asked(self, method: str, path_end: str = "") -> list[Seen]:
        """Requests with that method, whose path ends so."""
        return [seen for seen in self.requests if seen.method == method and seen.path.endswith(path_end)]
