"""Asks the signer, which is another process.

A signer that is not there, hangs or answers with something else than an envelope of these very bytes has signed
nothing; one that has only just been started is waited for, shortly.
"""

import contextlib
import socket
import time
from pathlib import Path

from shopkart_pipeline.adapters._signer_socket import (
    LONGEST_ANSWER_BYTES,
    REFUSED,
    SIGNED,
    SignerPlaces,
    TooLong,
    address_of,
    receive,
)
from shopkart_pipeline.domain.attestation import Envelope, Statement, read_envelope
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable, UntrustedInput
from shopkart_pipeline.known_secrets import know_passing
from shopkart_pipeline.ports.attestor import Attestor

_START_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_FIX = "Start it: `shopkart up` does, or `shopkart signer` alone; its log says what it lacks."


class SignerClient(Attestor):
    """The signer whose files are in a folder."""

    def __init__(self, folder: Path) -> None:
        self._places = SignerPlaces(folder)

    def sign(self, statement: Statement) -> Envelope:
        payload = statement.to_bytes()
        try:
            answer = self._ask(payload)
        except TooLong:
            raise ToolUnavailable(f"The signer did not answer within {_ANSWER_SECONDS:.0f} s.", _FIX) from None
        except OSError as error:
            raise ToolUnavailable(f"The signer does not answer: {type(error).__name__}.", _FIX) from None
        kind, _, content = answer.partition(b"\n")
        if kind == REFUSED:
            raise Refused(content.decode(errors="replace")[:2000], "")
        with contextlib.suppress(UntrustedInput):
            envelope = read_envelope(content)
            if kind == SIGNED and envelope.payload == payload:
                return envelope
        raise ToolUnavailable("The signer answered with something else than what it was to sign.", _FIX)

    def answers(self) -> bool:
        """Whether somebody listens now."""
        try:
            self._connected_now().close()
        except OSError:
            return False
        return True

    def _ask(self, payload: bytes) -> bytes:
        with self._connected() as connection:
            deadline = time.monotonic() + _ANSWER_SECONDS
            connection.settimeout(_ANSWER_SECONDS)
            token = self._places.token.read_bytes()
            know_passing(token)
            connection.sendall(b"%b %d\n" % (token, len(payload)))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # Whoever is refused is told at once, and the rest is not read.
                connection.sendall(payload)
            return receive(connection, LONGEST_ANSWER_BYTES, deadline)

    def _connected(self) -> socket.socket:
        until = time.monotonic() + (_START_SECONDS if self._places.folder.is_dir() else 0.0)
        while True:
            try:
                return self._connected_now()
            except OSError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.02)

    def _connected_now(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_ANSWER_SECONDS)
        try:
            with address_of(self._places.socket) as address:
                connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection
