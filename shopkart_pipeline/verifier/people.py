"""Signatures of people: SSHSIG by ed25519 keys that an allowed-signers file names.

Sources: OpenSSH PROTOCOL.sshsig; ssh-keygen(1), "ALLOWED SIGNERS".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from datetime import datetime, timezone

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .claims import MISSING, Fault
from .envelopes import is_by

_NAMESPACE, _ED25519 = b"shopkart-approval", b"ssh-ed25519"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_FIELD = re.compile(r'[ \t]*((?:"[^"]*"|[^\s"])+)(?=\s|$)')
_OPTION = re.compile(r'([A-Za-z-]+)="([^"]*)"(?:,(?=.)|$)')
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def signer_of(message: bytes, signature: str, allowed: bytes, at: datetime) -> str:
    """Who of an allowed-signers file signed a message with an ed25519 key that counted at that moment.

    A line of the file that is odd in any way allows nobody.
    """
    try:
        public, value = _signature(signature)
    except (ValueError, struct.error) as error:
        raise Fault(f"the signature can't be read: {error}") from error
    signed = b"SSHSIG" + _pack(_NAMESPACE, b"", b"sha512", hashlib.sha512(message).digest())
    if not is_by(Ed25519PublicKey.from_public_bytes(public), value, signed):
        raise Fault("the signature does not fit the statement")
    for line in allowed.decode().split("\n"):
        person = _allowed(line.rstrip("\r"), public, at)
        if person is not None:
            return person
    raise Fault(f"nobody in the list of allowed signers had that key at {at.isoformat()}")


def _signature(signature: str) -> tuple[bytes, bytes]:
    """The raw public key and the raw signature."""
    body = signature.strip()
    if not (body.startswith(_BEGIN) and body.endswith(_END)):
        raise Fault("there is no SSH signature", MISSING)
    blob = base64.b64decode("".join(body[len(_BEGIN) : -len(_END)].split()), validate=True)
    if blob[:6] != b"SSHSIG" or struct.unpack(">I", blob[6:10])[0] != 1:
        raise ValueError("no SSHSIG of version 1")
    public, namespace, _, hash_name, raw = _unpack(blob[10:], 5)
    (key_type, key), (signature_type, value) = _unpack(public, 2), _unpack(raw, 2)
    if (namespace, hash_name, key_type, signature_type) != (_NAMESPACE, b"sha512", _ED25519, _ED25519) or len(
        key
    ) != 32:
        raise ValueError("another purpose or hash, or no ed25519 key")
    return key, value


def _allowed(line: str, key: bytes, at: datetime) -> str | None:
    try:
        fields = _fields(line)
        options = _options(fields[1]) if len(fields) == 4 else {}
        after, before = _time(options.pop("valid-after", None)), _time(options.pop("valid-before", None))
        purposes = options.pop("namespaces", _NAMESPACE.decode()).split(",")
        is_key = fields[-2] == _ED25519.decode() and fields[-1] == base64.b64encode(_pack(_ED25519, key)).decode()
        principal = fields[0].strip('"').split(",")[0]
    except (ValueError, IndexError, binascii.Error):
        return None
    odd = bool(options) or any(set(name) & set("*?!") or not name for name in fields[0].strip('"').split(","))
    if line.startswith("#") or odd or not is_key or _NAMESPACE.decode() not in purposes:
        return None
    return principal if (after is None or at >= after) and (before is None or at < before) else None


def _fields(line: str) -> list[str]:
    fields: list[str] = []
    position, found = 0, _FIELD.match(line)
    while found and len(fields) < 4:
        fields.append(found[1])
        position = found.end()
        if len(fields) > 2 and fields[-2] == _ED25519.decode():
            return fields
        found = _FIELD.match(line, position)
    raise ValueError("no key")


def _options(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _OPTION.match(text, position)
        if found is None or found[1].lower() in options:
            raise ValueError("odd options")
        options[found[1].lower()] = found[2]
        position = found.end()
    return options


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    digits = text[:-1] if text.endswith("Z") else text
    if not (digits.isascii() and digits.isdecimal() and len(digits) in _TIMES):
        raise ValueError("no time")
    return datetime.strptime(digits, _TIMES[len(digits)]).replace(tzinfo=timezone.utc)


def _pack(*strings: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(string)) + string for string in strings)


def _unpack(data: bytes, count: int) -> list[bytes]:
    strings: list[bytes] = []
    for _ in range(count):
        if len(data) < 4 or struct.unpack(">I", data[:4])[0] > len(data) - 4:
            raise ValueError("cut short")
        length = struct.unpack(">I", data[:4])[0]
        strings.append(data[4 : 4 + length])
        data = data[4 + length :]
    if data:
        raise ValueError("too long")
    return strings
