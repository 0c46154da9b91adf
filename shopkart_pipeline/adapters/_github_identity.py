"""Who the pipeline is at GitHub: an App with a token for each installation, or the owner of a plain token.

An App acts in a repository by a token of the installation there, which GitHub gives for an hour against the App's own
JWT. Tokens stay in memory and are renewed five minutes before they end, or when GitHub does not take one any more; the
private key is read again whenever the App has to introduce itself anew.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.known_secrets import know, know_passing
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.code_host import TryLater

if TYPE_CHECKING:
    from shopkart_pipeline.adapters._github_session import Session

AskAsApp = Callable[["Session", str, str], Any]
"""Sends a request with the App's session: method and path."""
_RENEWED_BEFORE = timedelta(minutes=5)
_SHORTEST = timedelta(minutes=1)
"""What a token lasts at least here, lest clocks that differ have one made for each request."""


@dataclass(frozen=True)
class GitHubCredentials:
    """How the pipeline proves who it is."""

    api: str = "https://api.github.com"
    """Base address of the REST API; `https://HOST/api/v3` of an Enterprise Server."""
    app_id: str = ""
    """An App's id or client id; empty: the token counts."""
    private_key_file: Path | None = None
    token: str = field(default="", repr=False)
    stored_key: Callable[[], str] | None = field(default=None, repr=False)
    """Gives the App's private key where it is in no file, or raises `ToolUnavailable`."""

    @property
    def is_app(self) -> bool:
        return bool(self.app_id)


@dataclass
class _Standing:
    session: "Session"
    token: str = field(default="", repr=False)
    until: datetime | None = None
    """When the token has to be renewed; None: it does not end."""


class Identities:
    """Sessions by owner of repositories, made when they are needed.

    Args:
        credentials: of the App or of the token's owner.
        clock: the time.
        timeout_seconds: for connecting, and for each time that nothing comes.
    """

    def __init__(self, credentials: GitHubCredentials, clock: Clock, timeout_seconds: float) -> None:
        self._credentials = credentials
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._turn = threading.RLock()
        self._standing: dict[str, _Standing] = {}
        self._process = os.getpid()

    def session(self, repository: str | None, ask_as_app: AskAsApp) -> tuple["Session", str]:
        """The session to use for a repository, and its token, which must never be shown.

        Args:
            repository: `owner/name`; None: the App itself.
            ask_as_app: asks for something with the App's session, or raises.
        """
        with self._turn:
            self._part_from_parent()
            owner = self._owner(repository)
            standing = self._standing.get(owner)
            if standing is None or (standing.until is not None and self._clock.now() >= standing.until):
                standing = self._make(owner, repository, ask_as_app)
                self._standing[owner] = standing
            return standing.session, standing.token

    def forget(self, repository: str | None) -> None:
        """Have credentials made anew that GitHub did not take."""
        with self._turn:
            self._standing.pop(self._owner(repository), None)
            self._standing.pop("", None)

    def _owner(self, repository: str | None) -> str:
        if repository is None or not self._credentials.is_app:
            return ""
        return repository.partition("/")[0].casefold()

    def _make(self, owner: str, repository: str | None, ask_as_app: AskAsApp) -> _Standing:
        from shopkart_pipeline.adapters._github_session import app_session, token_session

        known, api = self._credentials, self._credentials.api
        if not known.is_app:
            return _Standing(token_session(known.token, api, self._timeout_seconds), known.token)
        if not owner or repository is None:
            return _Standing(app_session(known.app_id, self._private_key(), api, self._timeout_seconds))
        app, _ = self.session(None, ask_as_app)
        installation = ask_as_app(app, "GET", f"/repos/{repository}/installation")["id"]
        granted = ask_as_app(app, "POST", f"/app/installations/{int(installation)}/access_tokens")
        token, ends = granted.get("token"), granted.get("expires_at")
        if not isinstance(token, str) or not isinstance(ends, str):
            raise UntrustedInput("GitHub gave an installation token without its end.", "Ask again.")
        know_passing(token)
        now = self._clock.now()
        until = max(datetime.fromisoformat(ends).astimezone(UTC) - _RENEWED_BEFORE, now + _SHORTEST)
        return _Standing(token_session(token, api, self._timeout_seconds), token, until)

    def _private_key(self) -> str:
        path, stored = self._credentials.private_key_file, self._credentials.stored_key
        try:
            key = stored() if stored is not None else "" if path is None else path.read_text(encoding="ascii")
            know(key)
            return key
        except ToolUnavailable as error:
            raise TryLater(error.what, self._clock.now() + _SHORTEST, everything=True) from None
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no PEM file"
            what = f"The GitHub App's private key can't be read: {reason}."
            raise TryLater(what, self._clock.now() + _SHORTEST, everything=True) from None

    def _part_from_parent(self) -> None:
        """Connections survive no fork."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._standing.clear()
