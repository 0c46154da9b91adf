"""Asks a signer over the network: which of several answers does not matter, and asking again signs the same again.

One that is not there, hangs, does not prove that it has our secret, or answers with something else than an envelope of
these very bytes has signed nothing.
"""

import contextlib
import socket
import time

from shopkart_pipeline.adapters._signer_socket import REFUSED, SIGNED, TooLong
from shopkart_pipeline.adapters._signer_talk import (
    UNKNOWN,
    Numbers,
    fresh_number,
    read_answer,
    read_greeting,
    request,
)
from shopkart_pipeline.domain.attestation import Envelope, Statement, read_envelope
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.attestor import Attestor

_ATTEMPTS = 3
_PAUSE_SECONDS = 1.0
_ANSWER_SECONDS = 10.0


class SignerAtAddress(Attestor):
    """The signer behind an address, and the secret that it and we have."""

    def __init__(self, host: str, port: int, secret: str, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._address, self._secret, self._pause_seconds = (host, port), secret, pause_seconds
        self._fix = f"Look at the signer at {host}:{port} and at its log, then run the stage again."

    def sign(self, statement: Statement) -> Envelope:
        payload = statement.to_bytes()
        kind, content = self._answered(payload)
        if kind == UNKNOWN:
            raise ToolUnavailable(
                "The signer has another secret than this process.", "Give both the same SHOPKART_SIGNER_TOKEN."
            )
        if kind == REFUSED:
            raise Refused(content.decode(errors="replace")[:2000], "")
        with contextlib.suppress(UntrustedInput):
            envelope = read_envelope(content)
            if kind == SIGNED and envelope.payload == payload:
                return envelope
        raise ToolUnavailable("The signer answered with something else than what it was to sign.", self._fix)

    def _answered(self, payload: bytes) -> tuple[bytes, bytes]:
        what = ""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._ask(payload)
            except TooLong:
                what = "The signer did not answer in time, or something else answered in its place."
            except OSError as error:
                what = f"The signer does not answer: {type(error).__name__}."
            if attempt < _ATTEMPTS:
                time.sleep(self._pause_seconds)
        raise ToolUnavailable(what, self._fix)

    def _ask(self, payload: bytes) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + _ANSWER_SECONDS
        with socket.create_connection(self._address, timeout=_ANSWER_SECONDS) as connection:
            numbers = Numbers(read_greeting(connection, deadline), fresh_number())
            connection.settimeout(_ANSWER_SECONDS)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # Whoever is refused is told at once, and the rest is not read.
                connection.sendall(request(self._secret, numbers, payload))
                connection.sendall(payload)
            return read_answer(connection, self._secret, numbers, deadline)
