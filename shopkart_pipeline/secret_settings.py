"""Secrets of the servers that the pipeline speaks with, as the environment gives or refers to them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notification import SecretReference
from shopkart_pipeline.given_secret import read_reference, referred
from shopkart_pipeline.known_secrets import know, passwords_of

_KEY = "SHOPKART_GITHUB_PRIVATE_KEY"


@dataclass(frozen=True)
class GitHubAccess:
    """Who the pipeline is at GitHub: an App, or the owner of a token, or nobody."""

    app_id: str = ""
    private_key_file: Path | None = None
    """The App's private key, in PEM; read when it is needed."""
    token: str = field(default="", repr=False)
    stored_key: SecretReference | None = None
    """Where the private key is kept if not in a file; read when it is needed, too."""

    @property
    def is_given(self) -> bool:
        return bool(self.app_id or self.token)

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "GitHubAccess":
        """Raises `PipelineError` for half an App, and for an App beside a token."""
        app_id, key = given.get("SHOPKART_GITHUB_APP_ID") or "", referred(given, _KEY)
        if bool(app_id) != bool(key):
            missing = f"{_KEY}_FILE" if app_id else "SHOPKART_GITHUB_APP_ID"
            raise PipelineError(f"{missing} is not set.", "An App needs both its id and its private key's file.")
        plain = token(given, "SHOPKART_GITHUB_TOKEN")
        if app_id and plain:
            raise PipelineError("Both a GitHub App and SHOPKART_GITHUB_TOKEN are given.", "Take one of them away.")
        if app_id and not (app_id.isascii() and app_id.isalnum()):
            raise PipelineError(f"SHOPKART_GITHUB_APP_ID is {app_id!r}.", "Use the App's id, or its client id.")
        if key is None or key.file is not None:
            return cls(app_id, None if key is None else key.file, plain)
        if key.variable is not None:
            raise PipelineError(f"{_KEY} holds a key itself.", f"Name its file by {_KEY}_FILE.")
        return cls(app_id, None, plain, key)


@dataclass(frozen=True)
class BearerLogin:
    """Who the pipeline is to servers of one kind: the bearer of a token, or nobody."""

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Read when the token is needed, as such files are renewed."""
    ca_file: Path | None = None
    """Certificates in PEM; None: those that every program trusts."""

    @classmethod
    def read(cls, given: Mapping[str, str], server: str) -> "BearerLogin":
        """Raises `PipelineError` for what says two things."""
        name = f"SHOPKART_{server}_TOKEN"
        reference, ca_file = referred(given, name), given.get(f"SHOPKART_{server}_CA_FILE") or ""
        file = None if reference is None else reference.file
        return cls(token(given, name) if file is None else "", file, Path(ca_file).absolute() if ca_file else None)


def token(given: Mapping[str, str], name: str) -> str:
    """A token; empty: none is given. Raises `PipelineError` for what is none."""
    value = _secret(given, name)
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise PipelineError(f"{name} holds what no token can hold.", "Set it to the token alone, on one line.")
    return value


def key_bytes(given: Mapping[str, str], name: str) -> bytes:
    """A key of 32 bytes; empty: none is given. Raises `PipelineError` for what is none."""
    value = _secret(given, name)
    if value and not re.fullmatch("[0-9a-f]{64}", value):
        raise PipelineError(f"{name} is no key.", "Make one: openssl rand -hex 32")
    return bytes.fromhex(value)


def several(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Secrets that count side by side while one takes the place of the other: separated by commas, or on lines of their
    own."""
    values = tuple(part.strip() for part in re.split(r"[,\n]", _secret(given, name)) if part.strip())
    know(*values)
    return values


def login(given: Mapping[str, str], user: str, password: str) -> tuple[str, str] | None:
    """User and password; None: neither is given. Raises `PipelineError` for half of it."""
    values = (given.get(user) or "", _secret(given, password))
    if not any(values):
        return None
    if not all(values):
        missing = user if values[1] else password
        raise PipelineError(f"{missing} is not set.", f"Set both {user} and {password}, or neither.")
    if ":" in values[0]:
        raise PipelineError(f"{user} has a colon in it.", "A user's name can't have one (RFC 7617).")
    return values


def database_address(given: Mapping[str, str], name: str) -> str:
    """The address of a database of the pipeline's own, with its password; empty: it is a file."""
    address = _secret(given, name)
    if address and not address.startswith(("postgresql://", "postgres://")):
        raise PipelineError(f"{name} is not a PostgreSQL address.", "Use postgresql://USER@HOST/DATABASE.")
    know(*passwords_of(address))
    return address


def _secret(given: Mapping[str, str], name: str) -> str:
    reference = referred(given, name)
    return "" if reference is None else read_reference(reference, given, lines=True)
