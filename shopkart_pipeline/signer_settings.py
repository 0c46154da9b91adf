"""The signer and the keys that are trusted, as the environment says. `settings` reads the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notification import SecretReference
from shopkart_pipeline.given_secret import referred
from shopkart_pipeline.secret_settings import several

_SHORTEST_TOKEN = 32
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class SignerSettings:
    """What the environment says about the signer."""

    uri: str = field(default="", repr=False)
    """Of the key; empty: it is given, or the signer makes one of its own and keeps it in its folder."""
    public_key_file: Path | None = None
    key: SecretReference | None = None
    """Where the key itself is, PKCS #8 in PEM; read when the signer starts."""
    address: tuple[str, int] | None = None
    """Host and port of a signer in the network; None: it is on this machine."""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    """What the signer in the network and its callers have in common. The first one is used; the signer takes any."""
    trusted_keys: Path | None = None
    """None: the file in the home."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "SignerSettings":
        """Raises `PipelineError` for what can't be used."""
        uri, key = given.get("SHOPKART_SIGNER_URI") or "", referred(given, "SHOPKART_SIGNER_KEY")
        if uri and key is not None:
            raise PipelineError("Both SHOPKART_SIGNER_URI and SHOPKART_SIGNER_KEY are given.", "Take one of them away.")
        address, tokens = _address(given.get("SHOPKART_SIGNER_ADDRESS") or ""), several(given, "SHOPKART_SIGNER_TOKEN")
        if any(len(each) < _SHORTEST_TOKEN for each in tokens):
            raise PipelineError(
                f"SHOPKART_SIGNER_TOKEN is shorter than {_SHORTEST_TOKEN} characters.", "Make one: openssl rand -hex 32"
            )
        if address is not None and not tokens:
            what = "SHOPKART_SIGNER_ADDRESS names a signer in the network, and SHOPKART_SIGNER_TOKEN is not set."
            raise PipelineError(what, "Set it to what the signer has: without it nothing is signed.")
        return cls(
            uri,
            _path(given.get("SHOPKART_SIGNER_PUBLIC_KEY_FILE") or ""),
            key,
            address,
            tokens,
            _path(given.get("SHOPKART_TRUSTED_KEYS") or ""),
        )


def _address(said: str) -> tuple[str, int] | None:
    if not said:
        return None
    found = _ADDRESS.fullmatch(said)
    if found is None or not 0 < int(found["port"]) <= 65535:
        raise PipelineError(f"SHOPKART_SIGNER_ADDRESS is {said!r}.", "Use HOST:PORT.")
    return found["host"], int(found["port"])


def _path(said: str) -> Path | None:
    return Path(said).absolute() if said else None
