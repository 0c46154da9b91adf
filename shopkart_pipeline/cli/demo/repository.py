"""ShopKart's repository in the demo: a bare one that stands for GitHub, and a clone where people work.

Everything is real git; only the forge's part of a merge (the webhook) is played here, with a payload of GitHub's form.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.cli.demo.story import STOREFRONT, Change
from shopkart_pipeline.domain.errors import ToolUnavailable

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache", ".ruff_cache", ".coverage")
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Merge:
    """A pull request that was merged, as the forge would tell."""

    change: Change
    before: str
    after: str
    merged_at: datetime
    delivery_id: str


class DemoRepository:
    """`bare` stands for the forge's repository, `clone` for everybody's checkout."""

    def __init__(self, bare: Path, clone: Path, full_name: str, branch: str) -> None:
        self._bare, self._clone = bare, clone
        self._full_name, self._branch = full_name, branch
        self._merges: dict[int, str] = {}

    def create(self, now: datetime) -> str:
        """Make the repository from the storefront; returns its first commit."""
        for folder in (self._bare, self._clone):
            shutil.rmtree(folder, ignore_errors=True)
        self._bare.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(STOREFRONT, self._clone, ignore=_IGNORED)
        self._git(["init", "--quiet", f"--initial-branch={self._branch}"])
        self._git(["init", "--quiet", "--bare", f"--initial-branch={self._branch}", str(self._bare)])
        self._git(["remote", "add", "origin", str(self._bare)])
        self._git(["add", "--all"])
        self._commit("Import the storefront", "Shop Team", "shop-team@shopkart.example", now - timedelta(days=1))
        self._git(["push", "--quiet", "origin", self._branch])
        return self._head()

    def merge(self, change: Change, secrets: Mapping[str, str], now: datetime) -> Merge:
        """Commit a change on its branch, merge it as its reviewer, push."""
        before = self._head()
        self._git(["switch", "--quiet", "--create", change.branch])
        if change.reverts is not None:
            author = ["-c", f"user.name={change.author_name}", "-c", f"user.email={change.author_email}"]
            self._git([*author, "revert", "--no-edit", "--mainline=1", self._merges[change.reverts]])
        text = change.diff.read_text()
        for placeholder, value in secrets.items():
            text = text.replace(placeholder, value)
        self._git(["apply", "--whitespace=nowarn", "-"], text)
        self._git(["add", "--all"])
        self._commit(f"{change.title}\n\n{change.message}", change.author_name, change.author_email, now)
        self._git(["switch", "--quiet", self._branch])
        message = f"Merge pull request #{change.number}: {change.title}"
        self._git([*_AS_FORGE, "merge", "--quiet", "--no-ff", "-m", message, change.branch], at=now)
        self._git(["push", "--quiet", "origin", self._branch])
        self._merges[change.number] = self._head()
        return Merge(change, before, self._head(), now, str(uuid4()))

    def payload(self, merge: Merge) -> bytes:
        """What GitHub posts for the push that a merge makes."""
        login = merge.change.reviewer.partition("@")[0]
        body = {
            "ref": f"refs/heads/{self._branch}",
            "before": merge.before,
            "after": merge.after,
            "repository": {"full_name": self._full_name},
            "pusher": {"name": login},
            "sender": {"login": login},
            "head_commit": {"id": merge.after, "message": merge.change.title, "timestamp": merge.merged_at.isoformat()},
        }
        return json.dumps(body).encode()

    def _commit(self, message: str, name: str, email: str, at: datetime) -> None:
        author = ["-c", f"user.name={name}", "-c", f"user.email={email}"]
        self._git([*author, "commit", "--quiet", "-m", message], at=at)

    def _head(self) -> str:
        return self._git(["rev-parse", self._branch]).strip()

    def _git(self, arguments: Sequence[str], stdin: str | None = None, at: datetime | None = None) -> str:
        dates = {"GIT_AUTHOR_DATE": at.isoformat(), "GIT_COMMITTER_DATE": at.isoformat()} if at else {}
        variables = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", **dates}
        arguments = ["git", "-c", "commit.gpgsign=false", *arguments]
        given = stdin.encode() if stdin is not None else None
        done = run(
            Command(arguments, self._clone, _TIMEOUT_SECONDS, variables, capture=True, stdin=given, confined=False)
        )
        problem = done.failure("git")
        if problem is not None:
            raise ToolUnavailable(f"{problem}.", "The demo needs git 2.30 or newer.")
        return done.stdout.decode()


_AS_FORGE = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")


def post_webhook(address: str, delivery_id: str, body: bytes, secret: str) -> int:
    """Post a signed push event to the receiver, as GitHub does; returns the status."""
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": delivery_id,
        "X-Hub-Signature-256": signature_of(body, secret),
    }
    return httpx.post(address, content=body, headers=headers, timeout=10).status_code
