"""Sessions with GitHub as `githubkit` makes them, without what it does by itself.

Loading this module loads `githubkit`, which takes more than a second: it is loaded when GitHub is spoken to for the
first time, never before. Its own repetitions, waiting and HTTP cache are off, because the outbox decides what is tried
again and `AnswerStore` what is kept. Redirects are not followed: a POST would become a GET, and a renamed repository
has to be named anew in the declaration anyhow. Every request asks for the one version of the API that github.com and
all supported Enterprise Servers speak, whatever version the typed methods are of.
"""

import functools
import ssl
import weakref
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from githubkit import AppAuthStrategy, GitHub, Response, TokenAuthStrategy
from githubkit.cache import MemCacheStrategy

_API_VERSION = "2022-11-28"
_CONNECT_SECONDS = 10.0


class Session(GitHub[Any]):
    """One identity's connections, which stay open until nobody has it any more; threads may share it."""

    def __init__(self, auth: AppAuthStrategy | TokenAuthStrategy, api: str, timeout_seconds: float) -> None:
        super().__init__(
            auth,
            base_url=api,
            user_agent="shopkart-pipeline",
            timeout=httpx.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds)),
            follow_redirects=False,
            ssl_verify=_certificates(),
            event_hooks={"request": [_ask_for_version], "response": []},
            cache_strategy=MemCacheStrategy(),
            http_cache=False,
            auto_retry=False,
        )
        self._connections = self._create_sync_client()
        weakref.finalize(self, self._connections.close)

    @contextmanager
    def get_sync_client(self) -> Generator[httpx.Client]:
        yield self._connections

    def plainly(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Response[Any, Any]:
        """Send a request by its path, or by its whole address on this host."""
        return self.request(method, path, headers=headers)  # pyright: ignore[reportUnknownMemberType]

    def _check_rate_limit(self, response: Response[Any, Any]) -> None:
        """Limits are failures like others, told apart in one place; this would stumble over `Retry-After: soon`."""


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Loading certificates takes longer than a request."""
    return httpx.create_ssl_context()


def app_session(app_id: str, private_key: str, api: str, timeout_seconds: float) -> Session:
    """A session as the App itself, by a JWT of ten minutes that is made anew before it ends."""
    return Session(AppAuthStrategy(app_id, private_key), api, timeout_seconds)


def token_session(token: str, api: str, timeout_seconds: float) -> Session:
    """A session as whoever the token is for."""
    return Session(TokenAuthStrategy(token), api, timeout_seconds)


def _ask_for_version(request: httpx.Request) -> None:
    request.headers["X-GitHub-Api-Version"] = _API_VERSION
