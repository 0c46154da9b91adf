"""How the signer and its clients meet: a socket and a token in a folder that is its owner's alone.

A request is a line with token and length, then the statement's bytes; the answer is a line `ok` and an envelope, or a
line `refused` and why.
"""

import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LONGEST_STATEMENT_BYTES = 64 << 20
LONGEST_ANSWER_BYTES = 2 * LONGEST_STATEMENT_BYTES
SIGNED, REFUSED = b"ok", b"refused"
_PIECE_BYTES = 1 << 16
_LONGEST_HEADER_BYTES = 200


@dataclass(frozen=True)
class SignerPlaces:
    """The files of the signer of one home. All of them are hidden from the commands that stages run."""

    folder: Path

    @property
    def key(self) -> Path:
        """PKCS #8 in PEM, Ed25519."""
        return self.folder / "key.pem"

    @property
    def next_key(self) -> Path:
        """Is there while a rotation is under way, or after one that was broken off."""
        return self.folder / "next-key.pem"

    @property
    def token(self) -> Path:
        """Fresh at each start of the signer."""
        return self.folder / "token"

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    @property
    def lock(self) -> Path:
        """Held by the one signer of this home."""
        return self.folder / "lock"

    @property
    def keys_lock(self) -> Path:
        """Shared by whoever signs, and held alone by whoever rotates."""
        return self.folder / "keys-lock"


class TooLong(Exception):
    """More was sent than is allowed, or it took too long."""


def receive(connection: socket.socket, longest_bytes: int, deadline: float) -> bytes:
    """Everything until the other side has ended. Raises `TooLong`; `deadline` is on the monotonic clock."""
    pieces, size = list[bytes](), 0
    while piece := _piece(connection, deadline):
        size += len(piece)
        if size > longest_bytes:
            raise TooLong
        pieces.append(piece)
    return b"".join(pieces)


def receive_request(connection: socket.socket, deadline: float) -> tuple[bytes, int, bytes]:
    """The token, the length, and what came of the statement with them."""
    begun = b""
    while b"\n" not in begun:
        piece = _piece(connection, deadline)
        if not piece or len(begun) > _LONGEST_HEADER_BYTES:
            raise TooLong
        begun += piece
    header, _, rest = begun.partition(b"\n")
    token, _, length = header.partition(b" ")
    if not length.isdigit() or len(length) > len(str(LONGEST_STATEMENT_BYTES)):
        raise TooLong
    return token, int(length), rest


def receive_rest(connection: socket.socket, length: int, begun: bytes, deadline: float) -> bytes:
    """A statement of that length, of which something has come already."""
    pieces, size = [begun], len(begun)
    while size < length:
        piece = _piece(connection, deadline)
        if not piece:
            raise TooLong
        pieces.append(piece)
        size += len(piece)
    if size != length:
        raise TooLong
    return b"".join(pieces)


def _piece(connection: socket.socket, deadline: float) -> bytes:
    left_seconds = deadline - time.monotonic()
    if left_seconds <= 0:
        raise TooLong
    connection.settimeout(left_seconds)
    return connection.recv(_PIECE_BYTES)


@contextmanager
def address_of(path: Path) -> Generator[str]:
    """An address for `path` that the kernel takes, however deep the home lies; valid inside of the `with`."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
