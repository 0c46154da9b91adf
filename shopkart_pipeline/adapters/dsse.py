"""Signatures of envelopes, checked against a file of trusted keys.

The file is a list of `{"keyid", "public", "valid_from", "valid_until"}`; times are ISO 8601 with a zone, and whoever
may write the file decides whose signatures count. A key's name has to be the SHA-256 of its SubjectPublicKeyInfo, so
that nothing can stand under another's name. A name in an envelope only says which key is tried first.

Ed25519, ECDSA with SHA-256 on P-256, and RSA with SHA-256 (PSS, and PKCS #1 v1.5 as cosign makes it). `cryptography`
does the arithmetic: `securesystemslib.signer` loads AWS's client library, for a second or more, which nobody should
wait for who only verifies.

Source: DSSE v1.0.2, protocol ("Verification"); RFC 5280, section 4.1 for SubjectPublicKeyInfo.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shopkart_pipeline.domain.attestation import PAYLOAD_TYPE, Envelope, pre_authentication_encoding, read_statement
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.trusted_key import TrustedKey, TrustedKeys
from shopkart_pipeline.ports.attestor import EnvelopeVerifier, Verified

PublicKey: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
_SHORTEST_RSA_BITS = 2048
_LONGEST_FILE_BYTES = 1 << 20
_FIX = "Name the keys whose signatures count; `shopkart signer` writes the file when it makes its key."
_AGAIN = "Attest the release again with a trusted key: `shopkart rerun RELEASE attestations`."


class KeyFileVerifier(EnvelopeVerifier):
    """Trusts the keys of a file, which is read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[object, TrustedKeys] | None = None

    def verified(self, envelope: Envelope, moment: datetime) -> Verified:
        return verify_envelope(self.keys(), envelope, moment)

    def trusted(self) -> TrustedKeys:
        return self.keys()

    def keys(self) -> TrustedKeys:
        """The trusted keys. Raises `ToolUnavailable` where the file can't be read, or is not what it should be."""
        try:
            found = self._path.stat()
            version = found.st_mtime_ns, found.st_size, found.st_ino
            if self._read is None or self._read[0] != version:
                if found.st_size > _LONGEST_FILE_BYTES:
                    raise ToolUnavailable(f"The file of trusted keys {self._path} is too long.", _FIX)
                self._read = version, read_keys(self._path.read_bytes(), str(self._path))
        except OSError as error:
            raise ToolUnavailable(
                f"The file of trusted keys {self._path} can't be read: {type(error).__name__}.", _FIX
            ) from error
        return self._read[1]


def verify_envelope(keys: TrustedKeys, envelope: Envelope, moment: datetime) -> Verified:
    """As `EnvelopeVerifier.verified`, against these keys."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise UntrustedInput(f"The envelope holds {envelope.payload_type[:80]!r}, which is no statement.", _AGAIN)
    signed = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    too_late: TrustedKey | None = None
    for key in keys.tried_first(each.key_id for each in envelope.signatures):
        if not any(is_signed_by(key.public_pem, signed, each.value) for each in envelope.signatures):
            continue
        if key.holds(moment):
            return Verified(read_statement(envelope.payload), key.key_id)
        too_late = key
    if too_late is not None:
        until = "further notice" if too_late.valid_until is None else too_late.valid_until.isoformat()
        raise UntrustedInput(
            f"Key {too_late.key_id[:12]} was not trusted at {moment.isoformat()}, only from "
            f"{too_late.valid_from.isoformat()} until {until}.",
            _AGAIN,
        )
    hinted = ", ".join(sorted({each.key_id[:12] or "no name" for each in envelope.signatures}))
    raise UntrustedInput(
        f"No trusted key made this signature (it says key {hinted}), or its content was changed.", _AGAIN
    )


def is_signed_by(public_pem: str, signed: bytes, signature: bytes) -> bool:
    """Whether a public key's holder signed these bytes."""
    key = load_public(public_pem)
    try:
        match key:
            case Ed25519PublicKey():
                key.verify(signature, signed)
            case EllipticCurvePublicKey():
                key.verify(signature, signed, ECDSA(hashes.SHA256()))
            case RSAPublicKey():
                return _is_signed_with_rsa(key, signed, signature)
    except InvalidSignature:
        return False
    return True


def _is_signed_with_rsa(key: RSAPublicKey, signed: bytes, signature: bytes) -> bool:
    digest = hashes.SHA256()
    for scheme in (padding.PSS(padding.MGF1(digest), padding.PSS.AUTO), padding.PKCS1v15()):
        try:
            key.verify(signature, signed, scheme, digest)
        except InvalidSignature:
            continue
        return True
    return False


@lru_cache(maxsize=64)
def load_public(public_pem: str) -> PublicKey:
    """A public key in PEM. Raises `ValueError` for a kind of key that is not accepted."""
    try:
        key = serialization.load_pem_public_key(public_pem.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError("a kind of key that is not known") from error
    match key:
        case Ed25519PublicKey():
            return key
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return key
        case RSAPublicKey() if key.key_size >= _SHORTEST_RSA_BITS:
            return key
        case _:
            raise ValueError("a kind of key that is not accepted")


def key_id_of(key: PublicKey) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def public_pem_of(key: PublicKey) -> str:
    """A public key in PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def read_keys(content: bytes, place: str) -> TrustedKeys:
    """The keys in a file's bytes. Raises `ToolUnavailable`, naming the place, unless all of them can be used."""
    try:
        found = json.loads(content.decode())
        if not isinstance(found, list) or not found:
            raise ValueError("no list of keys")
        keys = tuple(_key(cast(dict[str, Any], each)) for each in cast(list[object], found))
        if len({key.key_id for key in keys}) != len(keys):
            raise ValueError("a key is there twice")
        return TrustedKeys(keys)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ToolUnavailable(f"The file of trusted keys {place} can't be used: {error}.", _FIX) from error


def write_keys(keys: Iterable[TrustedKey]) -> bytes:
    """The bytes of a file with these keys."""
    listed = [
        {
            "keyid": key.key_id,
            "public": key.public_pem,
            "valid_from": key.valid_from.isoformat(),
            "valid_until": None if key.valid_until is None else key.valid_until.isoformat(),
        }
        for key in keys
    ]
    return json.dumps(listed, indent=2).encode() + b"\n"


def _key(said: Mapping[str, Any]) -> TrustedKey:
    until = said.get("valid_until")
    key = TrustedKey(
        key_id=said["keyid"],
        public_pem=said["public"],
        valid_from=_moment(said["valid_from"]),
        valid_until=None if until is None else _moment(until),
    )
    if key_id_of(load_public(key.public_pem)) != key.key_id:
        raise ValueError(f"{str(key.key_id)[:12]} is not the SHA-256 of its key")
    return key


def _moment(said: str) -> datetime:
    moment = datetime.fromisoformat(said)
    if moment.tzinfo is None:
        raise ValueError(f"{said} has no time zone")
    return moment
