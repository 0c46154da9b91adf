"""Bytes of any length, sealed so that nobody reads or changes them: AES-256-GCM in pieces, in the STREAM construction
(Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015), as `age` and Tink use it.

Each file has a key of its own, by HKDF-SHA256 (RFC 5869) from the key that is kept and a random salt. A piece's nonce
is its number and whether it is the last, so pieces can't be exchanged, left out or added, and a file that ends early
does not open. The name of what is sealed is authenticated with it: one file can't stand for another. Memory is one
piece, whatever the length. A piece is given out only when it is authentic; only the end of the iteration says that all
of them were there.
"""

import os
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shopkart_pipeline.domain.errors import ToolUnavailable

KEY_BYTES = 32
_MAGIC = b"shopkart sealed 1\n"
_SALT_BYTES, _ID_BYTES, _TAG_BYTES = 32, 8, 16
_HEADER_BYTES = len(_MAGIC) + _SALT_BYTES + _ID_BYTES
_PIECE_BYTES = 1 << 20
_STORE = "Restore an earlier backup, and look at what keeps this one."


class Damaged(ToolUnavailable):
    """What was sealed does not open."""

    def __init__(self, what: str, fix: str = _STORE) -> None:
        super().__init__(what, fix)


def key_id(key: bytes) -> str:
    """A name for a key by which nobody finds it."""
    return _derived(key, b"", b"shopkart key id", _ID_BYTES).hex()


def signature(key: bytes, content: bytes) -> str:
    """HMAC-SHA256 over content that is kept beside what is sealed."""
    code = hmac.HMAC(_derived(key, b"", b"shopkart manifest", KEY_BYTES), hashes.SHA256())
    code.update(content)
    return code.finalize().hex()


class Sealer:
    """Seals what it is given, piece by piece.

    Args:
        key: of `KEY_BYTES`.
        name: what it is.
    """

    def __init__(self, key: bytes, name: str) -> None:
        salt = os.urandom(_SALT_BYTES)
        self._header = _MAGIC + salt + bytes.fromhex(key_id(key))
        self._pieces = _Pieces(key, salt, name)
        self._waiting = bytearray()

    def seal(self, content: bytes) -> bytes:
        """What can be written by now."""
        self._waiting += content
        sealed = bytearray(self._head())
        # The last piece is sealed as such, so one is held back.
        while len(self._waiting) > _PIECE_BYTES:
            sealed += self._pieces.seal(bytes(self._waiting[:_PIECE_BYTES]), is_last=False)
            del self._waiting[:_PIECE_BYTES]
        return bytes(sealed)

    def end(self) -> bytes:
        """The rest, with the mark of the end."""
        return self._head() + self._pieces.seal(bytes(self._waiting), is_last=True)

    def _head(self) -> bytes:
        head, self._header = self._header, b""
        return head


def opened(key: bytes, name: str, sealed: Iterable[bytes]) -> Iterator[bytes]:
    """What was sealed. Raises `Damaged` as soon as something is not as it was, at the end at the latest."""
    source = _Source(sealed)
    header = source.take(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise Damaged(f"{name} is not a sealed backup: its beginning is missing or changed.")
    salt, written_by = header[len(_MAGIC) :][:_SALT_BYTES], header[-_ID_BYTES:].hex()
    if written_by != key_id(key):
        raise Damaged(
            f"{name} is sealed with key {written_by}, and the key here is {key_id(key)} (or its beginning is changed).",
            "Set SHOPKART_BACKUP_KEY_FILE to the key that it was made with.",
        )
    pieces = _Pieces(key, salt, name)
    while True:
        piece = source.take(_PIECE_BYTES + _TAG_BYTES)
        is_last = source.is_empty
        yield pieces.open(piece, is_last=is_last)
        if is_last:
            return


class _Source:
    """Bytes that come in pieces of any size, taken in pieces of one."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def take(self, size: int) -> bytes:
        """So many bytes, or what is left."""
        self._fill(size)
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    @property
    def is_empty(self) -> bool:
        self._fill(1)
        return not self._held

    def _fill(self, size: int) -> None:
        while len(self._held) < size:
            piece = next(self._pieces, None)
            if piece is None:
                return
            self._held += piece


class _Pieces:
    def __init__(self, key: bytes, salt: bytes, name: str) -> None:
        self._cipher = AESGCM(_derived(key, salt, b"shopkart sealed stream", KEY_BYTES))
        self._name = name
        self._count = 0

    def seal(self, piece: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(is_last), piece, self._name.encode())

    def open(self, piece: bytes, *, is_last: bool) -> bytes:
        number = self._count
        try:
            return self._cipher.decrypt(self._nonce(is_last), piece, self._name.encode())
        except (InvalidTag, ValueError):
            raise Damaged(
                f"{self._name} is damaged in its piece {number}" + (", or cut off there." if is_last else ".")
            ) from None

    def _nonce(self, is_last: bool) -> bytes:
        nonce = self._count.to_bytes(11) + bytes([is_last])
        self._count += 1
        return nonce


def _derived(key: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=purpose).derive(key)
