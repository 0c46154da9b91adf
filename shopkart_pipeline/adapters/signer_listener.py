"""The signer on the network, for runs in pods of their own.

Who asks has to prove that it has one of the secrets, before anything of its statement is read, and is answered with a
proof of the same (`_signer_talk`). Several secrets count side by side while one takes the place of the other.
"""

import contextlib
import hmac
import logging
import socket
import time
from collections.abc import Callable, Sequence

from shopkart_pipeline.adapters._signer_socket import (
    LONGEST_STATEMENT_BYTES,
    REFUSED,
    TooLong,
    receive_rest,
    send_answer,
    serve_callers,
)
from shopkart_pipeline.adapters._signer_talk import (
    Numbers,
    Request,
    answer,
    digest,
    fresh_number,
    greeting,
    read_request,
    unsealed,
)
from shopkart_pipeline.domain.errors import PipelineError

_REQUEST_SECONDS = 5.0
_log = logging.getLogger(__name__)


class SignerListener:
    """One of any number of signers with the same key and secrets."""

    def __init__(self, answer: Callable[[bytes], tuple[bytes, bytes]], secrets: Sequence[str]) -> None:
        """
        Args:
            answer: says what becomes of a statement; see `StatementSigner.answer`.
            secrets: of which a caller has to have one.

        Raises:
            PipelineError: there is none, so everybody could have everything signed.
        """
        if not secrets:
            raise PipelineError("SHOPKART_SIGNER_TOKEN is not set.", "Whoever asks the signer has to have one.")
        self._answer_to, self._secrets = answer, tuple(secrets)
        self._socket: socket.socket | None = None

    def open(self, host: str, port: int) -> int:
        """Begin to listen; returns the port."""
        self._socket = socket.create_server((host, port), backlog=64)
        return int(self._socket.getsockname()[1])

    def serve(self) -> None:
        """Answer until `close`."""
        serve_callers(lambda: self._socket, self._answer)

    def close(self) -> None:
        """End. What is being signed is signed."""
        listening, self._socket = self._socket, None
        if listening is not None:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def _answer(self, connection: socket.socket) -> None:
        deadline = time.monotonic() + _REQUEST_SECONDS
        of_signer = fresh_number()
        connection.settimeout(_REQUEST_SECONDS)
        connection.sendall(greeting(of_signer))
        asked, begun = read_request(connection, deadline)
        secret = self._secret_of(asked, of_signer)
        if secret is None:
            _log.warning("refused a caller without the secret")
            send_answer(connection, unsealed(b"The signer does not know the caller."))
            return
        kind, content = self._answered(connection, asked, begun, deadline)
        send_answer(connection, answer(secret, Numbers(of_signer, asked.of_caller), kind, content))

    def _secret_of(self, asked: Request, of_signer: bytes) -> str | None:
        matching = [each for each in self._secrets if asked.is_from_holder_of(each, of_signer)]
        return matching[0] if matching else None

    def _answered(
        self, connection: socket.socket, asked: Request, begun: bytes, deadline: float
    ) -> tuple[bytes, bytes]:
        if asked.length > LONGEST_STATEMENT_BYTES:
            return REFUSED, b"The signer does not sign a statement that is this long."
        payload = receive_rest(connection, asked.length, begun, deadline)
        if not hmac.compare_digest(digest(payload), asked.digest):
            raise TooLong
        return self._answer_to(payload)
