"""A signer in memory: real Ed25519 signatures, and keys that can be rotated."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shopkart_pipeline.adapters.dsse import key_id_of, public_pem_of, verify_envelope
from shopkart_pipeline.domain.attestation import (
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    Statement,
    pre_authentication_encoding,
)
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.trusted_key import TrustedKey, TrustedKeys
from shopkart_pipeline.ports.attestor import Attestor, EnvelopeVerifier, Verified

_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


class AwaySigner(Attestor):
    """Does not answer."""

    def sign(self, statement: Statement) -> Envelope:
        raise ToolUnavailable("The signer does not answer.", "Start it.")


class FakeAttestor(Attestor, EnvelopeVerifier):
    """Signs whatever it is given, and trusts `keys`."""

    def __init__(self, *, valid_from: datetime = _ALWAYS, valid_until: datetime | None = None) -> None:
        self.private = Ed25519PrivateKey.generate()
        public = self.private.public_key()
        self.key = TrustedKey(key_id_of(public), public_pem_of(public), valid_from, valid_until)
        self.keys = TrustedKeys((self.key,))
        self.signed: list[Statement] = []

    def sign(self, statement: Statement) -> Envelope:
        self.signed.append(statement)
        return self.envelope(statement.to_bytes())

    def envelope(self, payload: bytes, payload_type: str = PAYLOAD_TYPE) -> Envelope:
        """These bytes, signed, whatever they are."""
        signature = self.private.sign(pre_authentication_encoding(payload_type, payload))
        return Envelope(payload_type, payload, (EnvelopeSignature(self.key.key_id, signature),))

    def trusted(self) -> TrustedKeys:
        return self.keys

    def verified(self, envelope: Envelope, moment: datetime) -> Verified:
        return verify_envelope(self.keys, envelope, moment)
