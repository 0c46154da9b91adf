"""The process that signs: the only one that reaches the key.

It listens on a socket in a folder of mode 0700, answers this user alone (the kernel says who called), and of this user
only those who can read the token, which is made anew at each start. A command that a stage runs can do neither: the
folder is hidden from it. What it signs is a statement of ours about now (`domain/signable.py`); what it logs is the
kind, the subject and the key, never what is in the statement. A caller that is slow or sends too much is hung up on.
"""

import contextlib
import fcntl
import hmac
import logging
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._signer_socket import (
    LONGEST_STATEMENT_BYTES,
    REFUSED,
    SignerPlaces,
    address_of,
    receive_request,
    receive_rest,
    send_answer,
    serve_callers,
)
from shopkart_pipeline.domain.errors import Conflict

_REQUEST_SECONDS = 5.0
_log = logging.getLogger(__name__)


class SignerServer:
    """One signer of one home."""

    def __init__(
        self, places: SignerPlaces, answer: Callable[[bytes], tuple[bytes, bytes]], user: int | None = None
    ) -> None:
        """
        Args:
            places: its files.
            answer: says what becomes of a statement; see `StatementSigner.answer`.
            user: who is answered; None: whoever this process belongs to.
        """
        self._places, self._answer_to = places, answer
        self._user = os.geteuid() if user is None else user
        self._token = secrets.token_hex(32).encode()
        self._lock: int | None = None
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen. Raises `Conflict` where another signer of this home does."""
        self._lock = os.open(self._places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise Conflict(
                "Another signer of this home is at work.", "One is enough; stop it to start another."
            ) from None
        write_atomically(self._places.token, self._token, mode=0o600)
        self._places.socket.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with address_of(self._places.socket) as address:
            self._socket.bind(address)
        self._places.socket.chmod(0o600)
        self._socket.listen(64)

    def serve(self) -> None:
        """Answer until `close`."""
        if self._socket is None:
            self.open()
        serve_callers(lambda: self._socket, self._answer)

    def close(self) -> None:
        """End. What is being signed is signed."""
        listening, self._socket = self._socket, None
        if listening is not None:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            self._places.socket.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _answer(self, connection: socket.socket) -> None:
        if _caller(connection) == self._user:
            send_answer(connection, self._answered(connection))
        else:
            _log.warning("refused a caller of another user")

    def _answered(self, connection: socket.socket) -> bytes:
        deadline = time.monotonic() + _REQUEST_SECONDS
        token, length, begun = receive_request(connection, deadline)
        if not hmac.compare_digest(token, self._token):
            _log.warning("refused a caller without the token")
            return REFUSED + b"\nThe signer does not know the caller: its token is not that of this start."
        if length > LONGEST_STATEMENT_BYTES:
            return REFUSED + b"\nThe signer does not sign a statement that is this long."
        kind, content = self._answer_to(receive_rest(connection, length, begun, deadline))
        return kind + b"\n" + content


def _caller(connection: socket.socket) -> int:
    """The user at the other end, as the kernel knows (unix(7), SO_PEERCRED)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1]
