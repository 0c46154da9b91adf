"""The pipeline's own signature: who makes it, and who checks it.

Whoever signs is a process of its own, or a service such as AWS KMS; this side never sees the key.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.attestation import Envelope, Statement
from shopkart_pipeline.domain.trusted_key import TrustedKeys


@dataclass(frozen=True)
class Verified:
    """A statement whose signature is right, read from the bytes that were verified."""

    statement: Statement
    key_id: str


class Attestor(ABC):
    """Signs statements of the control plane."""

    @abstractmethod
    def sign(self, statement: Statement) -> Envelope:
        """A statement in an envelope. Raises `ToolUnavailable` where the signer does not answer, and `Refused` where it
        does not sign this."""


class EnvelopeVerifier(ABC):
    """Checks envelopes against the keys that are trusted."""

    @abstractmethod
    def verified(self, envelope: Envelope, moment: datetime) -> Verified:
        """The statement of an envelope that a key signed which was trusted at that moment.

        Raises:
            UntrustedInput: no trusted key made any of its signatures, the key was not trusted then, or the payload is
                no statement.
            ToolUnavailable: the trusted keys can't be read.
        """

    def trusted(self) -> TrustedKeys | None:
        """The keys that are trusted; None where that can't be told. Raises `ToolUnavailable` as above."""
        return None
