"""Signatures that anybody can read: who signed, and a digest over what."""

import hashlib
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.signer import SignatureVerifier, Signer


class FakeSigner(Signer):
    """Signs as one person."""

    def __init__(self, principal: str) -> None:
        self._principal = principal

    def sign(self, message: bytes) -> str:
        return f"{self._principal} {hashlib.sha256(message).hexdigest()}"


class FakeVerifier(SignatureVerifier):
    """Trusts the people that the allowed-signers file names, one a line."""

    def signer_of(self, message: bytes, signature: str, allowed_signers: Path, now: datetime) -> str:
        principal, _, digest = signature.partition(" ")
        if digest != hashlib.sha256(message).hexdigest():
            raise UntrustedInput("The signature does not fit the statement.", "")
        if principal not in allowed_signers.read_text().split():
            raise UntrustedInput("The signature is nobody's.", "")
        return principal
