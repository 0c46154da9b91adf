"""A git repository that the bench pushes to, and the webhook that a forge would post for the push."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.domain.errors import ToolUnavailable

_TIMEOUT_SECONDS = 60.0
_AUTHOR = ("-c", "user.name=Bench", "-c", "user.email=bench@shopkart.example", "-c", "commit.gpgsign=false")
_NOTHING = "0" * 40


@dataclass(frozen=True)
class Pushed:
    """A push, as the forge would tell."""

    sha: str
    delivery_id: str
    body: bytes


class BenchRepository:
    """A clone where commits are made, and the bare repository that stands for the forge's."""

    def __init__(self, bare: Path, clone: Path, full_name: str, branch: str = "main") -> None:
        self._clone, self._full_name, self._branch = clone, full_name, branch
        bare.parent.mkdir(parents=True, exist_ok=True)
        clone.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", f"--initial-branch={branch}")
        self._git("init", "--quiet", "--bare", f"--initial-branch={branch}", str(bare))
        self._git("remote", "add", "origin", str(bare))
        self._head = _NOTHING

    @property
    def clone(self) -> Path:
        """Where files may be changed before a push."""
        return self._clone

    def push(self, title: str, files: Mapping[str, str] | None = None, *, since: str | None = None) -> Pushed:
        """Commit what changed, together with `files`, and push it.

        Args:
            title: the commit's first line.
            files: content by path.
            since: the commit that the webhook calls the former head; the real one by default.
        """
        for name, content in (files or {}).items():
            path = self._clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self._git("add", "--all")
        self._git(*_AUTHOR, "commit", "--quiet", "--allow-empty", "-m", title)
        self._git("push", "--quiet", "origin", self._branch)
        before, self._head = self._head, self._git("rev-parse", "HEAD").strip()
        body = {
            "ref": f"refs/heads/{self._branch}",
            "before": since or before,
            "after": self._head,
            "repository": {"full_name": self._full_name},
            "sender": {"login": "bench"},
        }
        return Pushed(self._head, str(uuid4()), json.dumps(body).encode())

    def _git(self, *arguments: str) -> str:
        variables = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        command: Sequence[str] = ("git", *arguments)
        done = run(Command(command, self._clone, _TIMEOUT_SECONDS, variables, capture=True, confined=False))
        if problem := done.failure("git"):
            raise ToolUnavailable(f"{problem}.", "The bench needs git 2.30 or newer.")
        return done.stdout.decode()
