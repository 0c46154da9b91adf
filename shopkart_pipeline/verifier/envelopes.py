"""Statements in envelopes: who signed what about which image, and when.

Sources: in-toto Statement v1, DSSE v1.0.2, SLSA provenance v1 and verification summary v1, CycloneDX 1.6.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .claims import MISSING, Fault
from .documents import moment_of, parse, the_object, the_text

_STATEMENT_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
"""The earlier version, which cosign still writes, names subject and predicate alike."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"
ENVELOPE_MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
PROVENANCE = "https://slsa.dev/provenance/v1"
VERIFICATION = "https://slsa.dev/verification_summary/v1"
SBOM = "https://cyclonedx.org/bom"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
STAGE_RESULT = "https://shopkart.example/attestation/stage-result/v1"
LEDGER_HEAD = "https://shopkart.example/attestation/ledger-head/v1"
EVIDENCE_BUNDLE = "https://shopkart.example/attestation/evidence-bundle/v1"
RELEASE_FIELD = "https://shopkart.example/attestation/release/v1"
"""Under this name a predicate of another's type says which release it is about."""
RELEASE_WORDS = ("service", "release", "repository", "branch", "commit")
_ABOUT_IMAGE = {
    PROVENANCE: "provenance",
    VERIFICATION: "verification summary",
    SBOM: "SBOM",
    TEST_RESULT: "test result",
    STAGE_RESULT: "stage result",
}

_BILLS = {"container": "image", "application": "application in it"}
"""What there is a bill of, by the type of its component in CycloneDX."""
_MOST_SIGNATURES = 100
_URL_SAFE = str.maketrans("-_", "+/")
TOLERANCE = timedelta(minutes=5)
"""Clocks of two machines may differ by as much."""


@dataclass(frozen=True)
class Key:
    """A key whose signatures count, and from when until when."""

    key_id: str
    public: Any
    valid_from: datetime
    valid_until: datetime | None

    def holds(self, moment: datetime) -> bool:
        return self.valid_from <= moment and (self.valid_until is None or moment < self.valid_until)


@dataclass(frozen=True)
class Signed:
    """A statement whose signature is right, read from the bytes that were verified."""

    kind: str
    subject: str
    predicate: dict[str, Any]
    named: dict[str, Any]
    """What it says of the release that it is about."""
    at: datetime
    """The moment of signing, which the statement names."""
    key_id: str


def read_keys(content: bytes) -> tuple[Key, ...]:
    """The keys of a trusted-keys file. Raises `Fault` where it is none, or a key has another name than its own."""
    try:
        keys = tuple(_key(the_object(each)) for each in parse(content))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UnsupportedAlgorithm) as error:
        raise Fault(f"the file of trusted keys can't be read: {type(error).__name__}") from error
    if not keys:
        raise Fault("the file of trusted keys names no key")
    return keys


def _key(told: dict[str, Any]) -> Key:
    public = serialization.load_pem_public_key(the_text(told["public"]).encode())
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key_id = hashlib.sha256(der).hexdigest()
    if told["keyid"] != key_id:
        raise Fault(f"the trusted key {str(told['keyid'])[:16]} has another name than its own, {key_id[:16]}")
    until = told.get("valid_until")
    return Key(key_id, public, moment_of(told["valid_from"]), None if until is None else moment_of(until))


def is_by(public: Any, signature: bytes, message: bytes) -> bool:
    """Whether a key made a signature: Ed25519, ECDSA on P-256, RSA of 2048 bits or more (PSS or PKCS 1)."""
    if isinstance(public, Ed25519PublicKey):
        return _holds(lambda: public.verify(signature, message))
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1":
        return _holds(lambda: public.verify(signature, message, ec.ECDSA(hashes.SHA256())))
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= 2048:
        pss, sha256 = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), hashes.SHA256()
        return _holds(lambda: public.verify(signature, message, pss, sha256)) or _holds(
            lambda: public.verify(signature, message, padding.PKCS1v15(), sha256)
        )
    return False


def _holds(check: Callable[[], None]) -> bool:
    try:
        check()
    except (InvalidSignature, ValueError):
        return False
    return True


def opened(content: bytes, keys: tuple[Key, ...], now: datetime, kept_at: datetime | None = None) -> Signed:
    """The statement in an envelope that a trusted key signed.

    Args:
        content: the envelope.
        keys: those that are trusted; the name of a key in the envelope decides nothing.
        now: what claims to be signed later than this is of the future.
        kept_at: when the envelope was kept, for statements that do not name the moment of signing.
    """
    try:
        envelope = the_object(parse(content))
        kind, payload = (
            the_text(envelope["payloadType"]),
            _decoded(envelope["payload"]),
        )
        signatures = [_decoded(each["sig"]) for each in envelope["signatures"]]
        if not signatures:
            raise Fault("it carries no signature", MISSING)
        if len(signatures) > _MOST_SIGNATURES:
            raise Fault(f"it carries more than {_MOST_SIGNATURES} signatures")
        signed = b"DSSEv1 %d %b %d %b" % (len(kind.encode()), kind.encode(), len(payload), payload)
        by = [key for key in keys for signature in signatures if is_by(key.public, signature, signed)]
        if not by:
            raise Fault("no trusted key made its signature")
        if kind != PAYLOAD_TYPE:
            raise Fault(f"it is signed as {kind[:80]!r}, and not as a statement")
        return _statement(payload, by, now, kept_at)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise Fault(f"it is no signed statement: {type(error).__name__}") from error


def _decoded(text: Any) -> bytes:
    """Base64 in its usual or its URL-safe letters: an envelope may have either."""
    return base64.b64decode(the_text(text).translate(_URL_SAFE), validate=True)


def _statement(payload: bytes, by: list[Key], now: datetime, kept_at: datetime | None) -> Signed:
    told = the_object(parse(payload))
    if told["_type"] not in _STATEMENT_TYPES:
        raise Fault(f"it is a {str(told['_type'])[:80]!r}, and not a statement")
    if len(told["subject"]) != 1:
        raise Fault(f"it is about {len(told['subject'])} subjects, and not about one")
    subject = f"sha256:{the_text(told['subject'][0]['digest']['sha256'])}"
    kind, predicate = the_text(told["predicateType"]), the_object(told["predicate"])
    named = claims_of(kind, predicate)
    at = moment_of(named["signed_at"]) if named.get("signed_at") is not None else kept_at
    if at is None:
        raise Fault("it does not say when it was signed")
    if at > now + TOLERANCE:
        raise Fault(f"it is of the future: signed at {at.isoformat()}")
    key = next((each for each in by if each.holds(at)), None)
    if key is None:
        raise Fault(f"key {by[0].key_id[:16]} was not trusted when it was signed, at {at.isoformat()}")
    return Signed(kind, subject, predicate, named, at, key.key_id)


def claims_of(kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    """What a statement says of the release that it is about, by name, and when it was signed."""
    if kind == PROVENANCE:
        parameters = the_object(predicate["buildDefinition"]["externalParameters"])
        return {**parameters, "signed_at": predicate["runDetails"].get("metadata", {}).get("finishedOn")}
    if kind == VERIFICATION:
        return {**the_object(predicate.get(RELEASE_FIELD, {})), "signed_at": predicate.get("timeVerified")}
    if kind == SBOM:
        properties = predicate.get("metadata", {}).get("properties", [])
        return {each["name"][9:]: each["value"] for each in properties if each["name"].startswith("shopkart:")}
    return the_object(predicate.get(RELEASE_FIELD, predicate))


def is_about(signed: Signed, image: str, release: dict[str, Any]) -> None:
    """Raises `Fault` where a statement is about something else than this image of this release.

    Args:
        signed: the statement.
        image: digest of the image.
        release: `RELEASE_WORDS` by name, those that it has to name alike.
    """
    if signed.kind not in _ABOUT_IMAGE:
        raise Fault(f"nothing is known of statements of type {signed.kind[:80]!r}")
    if signed.subject != image:
        raise Fault(f"it is about {signed.subject}, and not about {image}")
    for name in RELEASE_WORDS:
        if name in release and signed.named.get(name) != release[name]:
            raise Fault(f"it is of another release: its {name} is {str(signed.named.get(name))[:80]!r}")


def words_of_kind(kind: str) -> str:
    """What people call a kind of statement about an image."""
    return _ABOUT_IMAGE[kind]


def is_there(signed: list[Signed], kind: str) -> str:
    """Where a kind of statement is among those that are proved. Raises `Fault` where it is not, or is a refusal."""
    found = [each for each in signed if each.kind == kind]
    if not found:
        raise Fault("no signed statement of this kind is there", MISSING)
    if kind == VERIFICATION and any(each.predicate.get("verificationResult") != "PASSED" for each in found):
        raise Fault("it says that verification did not pass")
    return f"{len(found)} signed: {', '.join(each.at.isoformat() for each in found)}"


def bills_are_there(signed: list[Signed]) -> str:
    """Where the bills of image and application are among those that are proved. Raises `Fault` where one is not."""
    words = is_there(signed, SBOM)
    described = {
        each.predicate.get("metadata", {}).get("component", {}).get("type") for each in signed if each.kind == SBOM
    }
    lacking = [what for kind, what in _BILLS.items() if kind not in described]
    if lacking:
        raise Fault(f"there is none of the {' and the '.join(lacking)}", MISSING)
    return words
