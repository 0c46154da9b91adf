"""What the signer signs: a statement of ours about now (`domain/signable.py`), with a key that is trusted for it.

What it logs is the kind, the subject and the key, never what is in the statement.
"""

import ctypes
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._signer_socket import REFUSED, SIGNED
from shopkart_pipeline.adapters.dsse import key_id_of, read_keys
from shopkart_pipeline.adapters.signer_uri import SigningKey
from shopkart_pipeline.domain.attestation import (
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    pre_authentication_encoding,
)
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.signable import signable
from shopkart_pipeline.domain.signed_moment import moment_of

_PR_SET_DUMPABLE = 4
_AGAIN = "Sign it again. If that does not help, a rotation was broken off: start the signer again, which ends it."
_log = logging.getLogger(__name__)


class StatementSigner:
    """Signs with one key, whoever asks: who may ask is decided by those who listen."""

    def __init__(self, keys_file: Path, key: SigningKey, now: Callable[[], datetime]) -> None:
        self._keys_file, self._key, self._now = keys_file, key, now

    def sign(self, payload: bytes) -> Envelope:
        """A statement in an envelope. Raises `Refused` for what is not signed here."""
        statement = signable(payload, self._now())
        public, signature = self._key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
        key_id = key_id_of(public)
        keys = read_keys(self._keys_file.read_bytes(), str(self._keys_file)).keys
        if not any(key.key_id == key_id and key.holds(moment_of(statement)) for key in keys):
            raise Refused(f"Key {key_id[:12]} was not trusted when the statement was made.", _AGAIN)
        _log.info("signed %s about %s with key %s", statement.predicate_type, statement.subject_digest, key_id[:12])
        return Envelope(PAYLOAD_TYPE, payload, (EnvelopeSignature(key_id, signature),))

    def answer(self, payload: bytes) -> tuple[bytes, bytes]:
        """`SIGNED` and the envelope, or `REFUSED` and why."""
        try:
            return SIGNED, self.sign(payload).to_bytes()
        except PipelineError as error:
            _log.warning("refused: %s", error.what)
            return REFUSED, f"{error.what} {error.fix}".encode()
        except Exception as error:  # Whatever it is, the caller is told, and the next one is served.
            _log.error("failed: %s", type(error).__name__)
            return REFUSED, f"The signer failed: {type(error).__name__}.".encode()


def hide_memory() -> None:
    """No other process of this user may read this one's memory, and no crash writes it to disk (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
