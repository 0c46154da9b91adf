"""Signatures of people with the SSH keys that they have anyway.

The format is OpenSSH's SSHSIG (PROTOCOL.sshsig), so `ssh-keygen -Y verify` reads what is made here and the other
way round; keys of type ssh-ed25519. Who may sign stands in an allowed-signers file (ssh-keygen(1), "ALLOWED
SIGNERS"): principals, the options `namespaces`, `valid-after` and `valid-before`, key type, key. We read it more
narrowly than OpenSSH, never more widely: principals and namespaces are names and no patterns, times are UTC with or
without `Z`, and a line that is odd in any way allows nobody. `cryptography` does the arithmetic; only the framing is
ours, because no OpenSSH client need be installed.
"""

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.signer import SignatureVerifier, Signer

NAMESPACE = "shopkart-approval"
_MAGIC = b"SSHSIG"
_KEY_TYPE = b"ssh-ed25519"
_HASH = b"sha512"
_PUBLIC_KEY_BYTES = 32
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_FIELD = re.compile(r'[ \t]*((?:"[^"]*"|[^\s"])+)(?=\s|$)')
"""One field of a line: quotes may hold blanks, and have to end."""
_OPTION = re.compile(r'([A-Za-z-]+)="([^"]*)"(?:,(?=.)|$)')
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


class SshSigner(Signer):
    """Signs with an unencrypted OpenSSH private key file."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def sign(self, message: bytes) -> str:
        key = self._load()
        public = _pack(_KEY_TYPE, _raw(key.public_key()))
        signature = _pack(_KEY_TYPE, key.sign(_signed_data(NAMESPACE.encode(), message)))
        blob = _MAGIC + struct.pack(">I", 1) + _pack(public, NAMESPACE.encode(), b"", _HASH, signature)
        text = base64.b64encode(blob).decode()
        lines = [text[start : start + 70] for start in range(0, len(text), 70)]
        return "\n".join([_BEGIN, *lines, _END, ""])

    def _load(self) -> Ed25519PrivateKey:
        fix = "Name an OpenSSH ed25519 private key without passphrase (`ssh-keygen -t ed25519 -N ''`)."
        try:
            key = serialization.load_ssh_private_key(self._key_file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise ToolUnavailable(
                f"The key file {self._key_file} can't be read: {type(error).__name__}.", fix
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ToolUnavailable(f"The key in {self._key_file} is not an ed25519 key.", fix)
        return key


class SshSignatureVerifier(SignatureVerifier):
    """Verifies against an allowed-signers file."""

    def signer_of(self, message: bytes, signature: str, allowed_signers: Path, now: datetime) -> str:
        public, raw_signature = _parse(signature)
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(raw_signature, _signed_data(NAMESPACE.encode(), message))
        except (InvalidSignature, ValueError) as error:
            raise UntrustedInput("The signature does not fit the statement.", "Sign the statement again.") from error
        for allowed in _read_allowed(allowed_signers):
            if allowed.public == public and allowed.holds(now):
                return allowed.principal
        raise UntrustedInput(
            "The signature was made with a key that nobody in the allowed-signers file has.",
            f"Add the person and the key to {allowed_signers}.",
        )


def create_key(key_file: Path, principal: str) -> str:
    """Make a new ed25519 key (mode 0600) and return its line for an allowed-signers file.

    Raises:
        FileExistsError: there is such a file; a key is never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    key_file.parent.mkdir(parents=True, exist_ok=True)
    key_file.touch(mode=0o600, exist_ok=False)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    public = base64.b64encode(_pack(_KEY_TYPE, _raw(key.public_key()))).decode()
    return f'{principal} namespaces="{NAMESPACE}" {_KEY_TYPE.decode()} {public}\n'


@dataclass(frozen=True)
class _Allowed:
    principal: str
    public: bytes
    valid_after: datetime | None
    valid_before: datetime | None

    def holds(self, now: datetime) -> bool:
        started = self.valid_after is None or now >= self.valid_after
        return started and (self.valid_before is None or now < self.valid_before)


def _read_allowed(path: Path) -> tuple[_Allowed, ...]:
    try:
        # Not `splitlines` or text mode: they end lines, and so comments, where OpenSSH and people see none ended.
        lines = path.read_bytes().decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ToolUnavailable(
            f"The allowed-signers file {path} can't be read: {type(error).__name__}.",
            "Create it: one line per person, `PRINCIPAL KEYTYPE KEY`.",
        ) from error
    found = (_allowed(line.rstrip("\r")) for line in lines if not line.lstrip(" \t").startswith("#"))
    return tuple(allowed for group in found for allowed in group)


def _allowed(line: str) -> tuple[_Allowed, ...]:
    """The people of one line; nobody where it has another key type, an option that we don't know, or is odd."""
    try:
        principals, *options, key_type, key = _fields(line)
        if key_type != _KEY_TYPE.decode():
            return ()
        blob = base64.b64decode(key, validate=True)
        blob_type, public = _unpack(blob, 2)
        known = _options(options[0]) if options else {}
        after, before = _time(known.pop("valid-after", None)), _time(known.pop("valid-before", None))
        namespaces = known.pop("namespaces", NAMESPACE).split(",")
    except (ValueError, struct.error):
        return ()
    if known or NAMESPACE not in namespaces or base64.b64encode(blob).decode() != key:
        return ()
    if blob_type != _KEY_TYPE or len(public) != _PUBLIC_KEY_BYTES:
        return ()
    names = principals.strip('"').split(",")
    if any(set(name) & set("*?!") or not name for name in names):
        return ()
    return tuple(_Allowed(name, public, after, before) for name in names)


def _fields(line: str) -> list[str]:
    """Principals, options where there are any, key type and key; what follows is a comment."""
    fields: list[str] = []
    position = 0
    while found := _FIELD.match(line, position):
        fields.append(found[1])
        position = found.end()
        if len(fields) > 2 and fields[-2] == _KEY_TYPE.decode():
            return fields
        if len(fields) == 4:
            break
    raise ValueError("no key")


def _options(text: str) -> dict[str, str]:
    """Options by name; each at most once, with its value in quotes."""
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
    digits = text.removesuffix("Z")
    if not (digits.isascii() and digits.isdecimal() and len(digits) in _TIMES):
        raise ValueError("no time")
    return datetime.strptime(digits, _TIMES[len(digits)]).replace(tzinfo=UTC)


def _signed_data(namespace: bytes, message: bytes) -> bytes:
    return _MAGIC + _pack(namespace, b"", _HASH, hashlib.sha512(message).digest())


def _parse(signature: str) -> tuple[bytes, bytes]:
    """The raw public key and the raw signature of an armoured SSHSIG."""
    body = signature.strip()
    try:
        if not (body.startswith(_BEGIN) and body.endswith(_END)):
            raise ValueError("no armour")
        blob = base64.b64decode("".join(body[len(_BEGIN) : -len(_END)].split()), validate=True)
        if blob[:6] != _MAGIC or struct.unpack(">I", blob[6:10])[0] != 1:
            raise ValueError("no SSHSIG of version 1")
        public, namespace, _, hash_name, raw = _unpack(blob[10:], 5)
        if namespace != NAMESPACE.encode() or hash_name != _HASH:
            raise ValueError("another namespace or hash")
        if not (public.startswith(_pack(_KEY_TYPE)) and raw.startswith(_pack(_KEY_TYPE))):
            raise ValueError("no ed25519 key")
        key, value = _unpack(public, 2)[1], _unpack(raw, 2)[1]
    except (ValueError, struct.error, binascii.Error) as error:
        raise UntrustedInput(
            f"The signature can't be read: {error}.", f"Sign with an ed25519 key: `ssh-keygen -Y sign -n {NAMESPACE}`."
        ) from error
    return key, value


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _pack(*strings: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(string)) + string for string in strings)


def _unpack(data: bytes, count: int) -> list[bytes]:
    strings: list[bytes] = []
    for _ in range(count):
        (length,) = struct.unpack(">I", data[:4])
        if length > len(data) - 4:
            raise ValueError("cut short")
        strings.append(data[4 : 4 + length])
        data = data[4 + length :]
    if data:
        raise ValueError("too long")
    return strings
