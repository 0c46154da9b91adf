"""A key whose signatures count, and from when until when.

Keys rotate: the next one is trusted before it signs, and the last one stays for what it signed in its time. What counts
is the moment that the signed statement itself names, which only the holder of the key could write.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

KEYS_FILE = Path("trust") / "attestation-keys.json"
"""Where the trusted keys are in a home."""


@dataclass(frozen=True)
class TrustedKey:
    """One verification key."""

    key_id: str
    """SHA-256 of the public key, in hexadecimal."""
    public_pem: str
    """SubjectPublicKeyInfo in PEM: Ed25519, ECDSA on P-256, or RSA."""
    valid_from: datetime
    valid_until: datetime | None = None
    """None: until further notice."""

    def holds(self, moment: datetime) -> bool:
        """Whether signatures of that moment count."""
        return self.valid_from <= moment and (self.valid_until is None or moment < self.valid_until)


@dataclass(frozen=True)
class TrustedKeys:
    """All keys that count."""

    keys: tuple[TrustedKey, ...]

    def tried_first(self, key_ids: Iterable[str]) -> tuple[TrustedKey, ...]:
        """All of them, those that an envelope hints at first."""
        hinted = frozenset(key_ids)
        return tuple(sorted(self.keys, key=lambda key: key.key_id not in hinted))
