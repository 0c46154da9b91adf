"""The process that signs: the only one that reaches the key.

It listens on a socket in a folder of mode 0700, answers this user alone (the kernel says who called), and of this user
only those who can read the token, which is made anew at each start. A command that a stage runs can do neither: the
folder is hidden from it. What it signs is a statement of ours about now (`domain/signable.py`); what it logs is the
kind, the subject and the key, never what is in the statement. A caller that is slow or sends too much is hung up on.
"""

import contextlib
import ctypes
import fcntl
import hmac
import logging
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._signer_socket import (
    LONGEST_STATEMENT_BYTES,
    REFUSED,
    SIGNED,
    SignerPlaces,
    TooLong,
    address_of,
    receive,
    receive_request,
    receive_rest,
)
from shopkart_pipeline.adapters.dsse import key_id_of, read_keys
from shopkart_pipeline.adapters.signer_uri import SigningKey
from shopkart_pipeline.domain.attestation import (
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    pre_authentication_encoding,
)
from shopkart_pipeline.domain.errors import Conflict, PipelineError, Refused
from shopkart_pipeline.domain.signable import signable
from shopkart_pipeline.domain.signed_moment import moment_of

_PR_SET_DUMPABLE = 4
_REQUEST_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
_PAUSE_SECONDS = 0.2
_AGAIN = "Sign it again. If that does not help, a rotation was broken off: start the signer again, which ends it."
_CALLERS = 8
"""How many are served at the same time; the others wait in the socket's queue."""
_log = logging.getLogger(__name__)


class SignerServer:
    """One signer of one home."""

    def __init__(
        self,
        places: SignerPlaces,
        keys_file: Path,
        key: SigningKey,
        now: Callable[[], datetime],
        user: int | None = None,
    ) -> None:
        """Answers `user` alone; None: whoever this process belongs to."""
        self._places, self._keys_file, self._key, self._now = places, keys_file, key, now
        self._user = os.geteuid() if user is None else user
        self._token = secrets.token_hex(32).encode()
        self._free = threading.BoundedSemaphore(_CALLERS)
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
        while (listening := self._socket) is not None:
            try:
                connection, _ = listening.accept()
            except OSError as error:
                if self._is_open():
                    # No file descriptor is free, say; one is soon.
                    _log.error("accepts nobody: %s", error)
                    time.sleep(_PAUSE_SECONDS)
                continue
            self._free.acquire()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

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

    def _is_open(self) -> bool:
        return self._socket is not None

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError, TooLong):
                if _caller(connection) == self._user:
                    answer = self._answered(connection)
                    connection.settimeout(_REQUEST_SECONDS)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    # Closed with something unread, the answer would be lost on its way (unix(7)).
                    receive(connection, LONGEST_STATEMENT_BYTES, time.monotonic() + _GOODBYE_SECONDS)
                else:
                    _log.warning("refused a caller of another user")
        finally:
            self._free.release()

    def _answered(self, connection: socket.socket) -> bytes:
        deadline = time.monotonic() + _REQUEST_SECONDS
        token, length, begun = receive_request(connection, deadline)
        if not hmac.compare_digest(token, self._token):
            _log.warning("refused a caller without the token")
            return REFUSED + b"\nThe signer does not know the caller: its token is not that of this start."
        if length > LONGEST_STATEMENT_BYTES:
            return REFUSED + b"\nThe signer does not sign a statement that is this long."
        try:
            return SIGNED + b"\n" + self.sign(receive_rest(connection, length, begun, deadline)).to_bytes()
        except PipelineError as error:
            _log.warning("refused: %s", error.what)
            return REFUSED + b"\n" + f"{error.what} {error.fix}".encode()
        except Exception as error:  # Whatever it is, the caller is told, and the next one is served.
            _log.error("failed: %s", type(error).__name__)
            return REFUSED + b"\n" + f"The signer failed: {type(error).__name__}.".encode()

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


def hide_memory() -> None:
    """No other process of this user may read this one's memory, and no crash writes it to disk (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _caller(connection: socket.socket) -> int:
    """The user at the other end, as the kernel knows (unix(7), SO_PEERCRED)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1]
