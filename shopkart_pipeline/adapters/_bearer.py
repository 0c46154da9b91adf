"""Who we are to a server that wants a bearer's token: what Prometheus and Loki have in common.

A token goes nowhere without encryption but to this machine; a server on another one is then not asked at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.known_secrets import know_passing

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServerAccess:
    """Who we are to a server, and by which certificates we know it."""

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Read for each request, as tokens in files are renewed."""
    ca_file: Path | None = None
    """Certificates in PEM; None: those that every program trusts."""


def authorization(name: str, address: str, access: ServerAccess) -> Callable[[], str] | None:
    """Gives the value of the `Authorization` header, or raises `ToolUnavailable`; None where there is no token.

    Args:
        name: what errors call the server, such as `Prometheus`; its settings begin with `SHOPKART_NAME_`.
        address: where the token would go.
        access: who we are there.
    """
    if not access.token and access.token_file is None:
        return None
    return lambda: f"Bearer {_token(name, address, access)}"


def _token(name: str, address: str, access: ServerAccess) -> str:
    url, setting = urlsplit(address), f"SHOPKART_{name.upper()}_TOKEN_FILE"
    if url.scheme != "https" and url.hostname not in _LOOPBACK:
        raise ToolUnavailable(
            f"A token would go to {name} without encryption, so it is not asked.", "Give it an https:// address."
        )
    if access.token_file is None:
        return access.token
    try:
        token = access.token_file.read_text(encoding="ascii").strip()
        know_passing(token)
    except (OSError, ValueError) as error:
        raise ToolUnavailable(
            f"The token for {name} can't be read: {type(error).__name__}.", f"Check {setting}."
        ) from None
    if not token or not token.isprintable() or " " in token:
        raise ToolUnavailable("The token's file holds no token.", f"Check {setting}.")
    return token
