"""Signatures of people: who said this?"""

from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path


class SignatureVerifier(ABC):
    """Checks signatures against a list of people that the declaration trusts."""

    @abstractmethod
    def signer_of(self, message: bytes, signature: str, allowed_signers: Path, now: datetime) -> str:
        """The principal whose key made the signature. Raises `UntrustedInput` if the signature is wrong, of another
        message or of nobody in the list at that moment."""


class Signer(ABC):
    """Signs as one person."""

    @abstractmethod
    def sign(self, message: bytes) -> str:
        """An armoured signature."""
