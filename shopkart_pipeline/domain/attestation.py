"""What is claimed about an image, and the envelope in which a claim is signed.

A statement names its subject by digest and says one thing about it (its predicate). An envelope carries the statement's
bytes as they were signed: whoever verifies them goes on with those bytes and reads no others. A key's name in an
envelope decides nothing; it only says which key to try first.

Source: in-toto Attestation Framework, Statement v1; DSSE v1.0.2, protocol and envelope.
"""

import binascii
import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import UntrustedInput

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_READ_TYPES = (STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1")
"""The earlier version, which cosign still writes, names subject and predicate alike."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"
ENVELOPE_MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"

PROVENANCE = "https://slsa.dev/provenance/v1"
VERIFICATION = "https://slsa.dev/verification_summary/v1"
"""What was verified before production: policy, its verdict, and what it rests on."""
SBOM = "https://cyclonedx.org/bom"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
STAGE_RESULT = "https://shopkart.example/attestation/stage-result/v1"
"""What one stage established, with the digest of its whole record."""
LEDGER_HEAD = "https://shopkart.example/attestation/ledger-head/v1"
EVIDENCE_BUNDLE = "https://shopkart.example/attestation/evidence-bundle/v1"

_LONGEST_BYTES = 64 << 20
_URL_SAFE = str.maketrans("-_", "+/")
_AGAIN = "Attest the release again: `shopkart rerun RELEASE attestations`."


@dataclass(frozen=True)
class Statement:
    """One claim about one thing."""

    subject_name: str
    subject_digest: str
    """`sha256:` and 64 hexadecimal digits."""
    predicate_type: str
    predicate: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The bytes that are signed."""
        algorithm, _, value = self.subject_digest.partition(":")
        return canonical_json(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": self.subject_name, "digest": {algorithm: value}}],
                "predicateType": self.predicate_type,
                "predicate": self.predicate,
            }
        )


@dataclass(frozen=True)
class EnvelopeSignature:
    """One signature over an envelope's payload."""

    key_id: str
    """A hint; trust never rests on it."""
    value: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload with its signatures."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]

    def to_bytes(self) -> bytes:
        """The envelope as it is kept, with the same bytes for the same content."""
        signatures = [{"keyid": each.key_id, "sig": b64encode(each.value).decode()} for each in self.signatures]
        payload = b64encode(self.payload).decode()
        return canonical_json({"payload": payload, "payloadType": self.payload_type, "signatures": signatures})

    @property
    def digest(self) -> str:
        """`sha256:` over `to_bytes`."""
        return f"sha256:{hashlib.sha256(self.to_bytes()).hexdigest()}"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What is signed of an envelope (PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read_envelope(content: bytes) -> Envelope:
    """An envelope that was kept. Raises `UntrustedInput` for what is none."""
    try:
        found = _object(content)
        signatures = tuple(
            EnvelopeSignature(str(each.get("keyid") or ""), _decoded(each["sig"])) for each in found["signatures"]
        )
        payload_type = found["payloadType"]
        if not isinstance(payload_type, str) or not signatures:
            raise ValueError("no type, or no signature")
        return Envelope(payload_type, _decoded(found["payload"]), signatures)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise UntrustedInput(f"This is no signed envelope: {type(error).__name__}.", _AGAIN) from error


def read_statement(payload: bytes) -> Statement:
    """The statement in bytes that were verified. Raises `UntrustedInput` for what is none, or has several subjects."""
    try:
        found = _object(payload)
        (subject,) = found["subject"]
        predicate = found["predicate"]
        if found["_type"] not in _READ_TYPES or not isinstance(predicate, dict):
            raise ValueError("no statement")
        name, digest, kind = subject["name"], subject["digest"]["sha256"], found["predicateType"]
        if not all(isinstance(word, str) for word in (name, digest, kind)):
            raise ValueError("no words")
        return Statement(name, f"sha256:{digest}", kind, cast(dict[str, Any], predicate))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UntrustedInput(f"This is no in-toto statement: {type(error).__name__}.", _AGAIN) from error


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object in which no name occurs twice: two readers must not see two different things."""
    if len(content) > _LONGEST_BYTES:
        raise ValueError("too long")
    found = json.loads(content.decode(), object_pairs_hook=_once)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return cast(dict[str, Any], found)


def _decoded(text: str) -> bytes:
    """Base64, standard or URL-safe: both are allowed."""
    return b64decode(text.translate(_URL_SAFE), validate=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found
