"""How the signer and its clients meet: a socket and a token in a folder that is its owner's alone.

A request is a line with token and length, then the statement's bytes; the answer is a line `ok` and an envelope, or a
line `refused` and why.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST_STATEMENT_BYTES = 64 << 20
LONGEST_ANSWER_BYTES = 2 * LONGEST_STATEMENT_BYTES
SIGNED, REFUSED = b"ok", b"refused"
_PIECE_BYTES = 1 << 16
_LONGEST_HEADER_BYTES = 200
_ANSWER_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
_PAUSE_SECONDS = 0.2
_CALLERS = 8
"""How many are served at the same time; the others wait in the socket's queue."""
_log = logging.getLogger(__name__)


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


def serve_callers(listening: Callable[[], socket.socket | None], answer: Callable[[socket.socket], None]) -> None:
    """Accept callers, each in a thread, until there is no socket any more. One that is slow, sends something else or
    goes away is hung up on."""
    free = threading.BoundedSemaphore(_CALLERS)

    def serve(connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError, TooLong):
                answer(connection)
        finally:
            free.release()

    while (current := listening()) is not None:
        try:
            connection, _ = current.accept()
        except OSError as error:
            if listening() is not None:
                # No file descriptor is free, say; one is soon.
                _log.error("accepts nobody: %s", error)
                time.sleep(_PAUSE_SECONDS)
            continue
        free.acquire()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def send_answer(connection: socket.socket, content: bytes) -> None:
    """Answer, and see to it that the answer arrives."""
    connection.settimeout(_ANSWER_SECONDS)
    connection.sendall(content)
    connection.shutdown(socket.SHUT_WR)
    # Closed with something unread, the answer would be lost on its way (unix(7), tcp(7)).
    receive(connection, LONGEST_STATEMENT_BYTES, time.monotonic() + _GOODBYE_SECONDS)


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
