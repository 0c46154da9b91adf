"""How the signer and its clients meet over the network: both prove that they have the same secret, which never crosses
the wire, and what they say can be neither changed nor replayed.

The signer greets with a number used once. The caller answers with one of its own, and a line that is sealed over both
of them, with length and SHA-256 of the statement; then the statement. The signer's answer is sealed over the same two
numbers and its content. Seals are HMAC-SHA256. Nothing is encrypted: a statement is published beside its image, without
secrets.

Sources: RFC 2104 (HMAC); ISO/IEC 9798-4 for mutual authentication by a cryptographic check function.
"""

import hashlib
import hmac
import re
import secrets
import socket
import time
from dataclasses import dataclass

from shopkart_pipeline.adapters._signer_socket import LONGEST_ANSWER_BYTES, TooLong, receive

UNKNOWN = b"unknown"
"""The answer to a caller that has none of the secrets; it can't be sealed."""
_GREETING = re.compile(rb"shopkart-signer/1 ([0-9a-f]{64})")
_REQUEST = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,9}) ([0-9a-f]{64}) ([0-9a-f]{64})")
_ANSWER = re.compile(rb"(ok|refused|unknown) ([0-9a-f]{64})")
_LONGEST_LINE_BYTES = 300


@dataclass(frozen=True)
class Numbers:
    """What makes one conversation another one than all before it."""

    of_signer: bytes
    of_caller: bytes


@dataclass(frozen=True)
class Request:
    """What a caller says before its statement."""

    of_caller: bytes
    length: int
    digest: bytes
    seal: bytes

    def is_from_holder_of(self, secret: str, of_signer: bytes) -> bool:
        """Whether who says it has this secret."""
        said = (b"%d" % self.length, self.digest)
        return hmac.compare_digest(self.seal, _seal(secret, b"caller", Numbers(of_signer, self.of_caller), *said))


def fresh_number() -> bytes:
    """A number that nobody can have seen before."""
    return secrets.token_hex(32).encode()


def digest(content: bytes) -> bytes:
    """SHA-256, as it is said."""
    return hashlib.sha256(content).hexdigest().encode()


def greeting(of_signer: bytes) -> bytes:
    """The signer's first line."""
    return b"shopkart-signer/1 " + of_signer + b"\n"


def request(secret: str, numbers: Numbers, payload: bytes) -> bytes:
    """The caller's line."""
    said = (b"%d" % len(payload), digest(payload))
    return b" ".join((numbers.of_caller, *said, _seal(secret, b"caller", numbers, *said))) + b"\n"


def answer(secret: str, numbers: Numbers, kind: bytes, content: bytes) -> bytes:
    """All that the signer answers."""
    return kind + b" " + _seal(secret, b"signer", numbers, kind, digest(content)) + b"\n" + content


def unsealed(content: bytes) -> bytes:
    """What is said to somebody who can't check it."""
    return UNKNOWN + b" " + b"0" * 64 + b"\n" + content


def read_greeting(connection: socket.socket, deadline: float) -> bytes:
    """The signer's number. Raises `TooLong` for what is no greeting."""
    line, rest = _line(connection, deadline)
    found = _GREETING.fullmatch(line)
    if found is None or rest:
        raise TooLong
    return found[1]


def read_request(connection: socket.socket, deadline: float) -> tuple[Request, bytes]:
    """What a caller asks, and what came of its statement with that. Raises `TooLong` for what is no request."""
    line, rest = _line(connection, deadline)
    found = _REQUEST.fullmatch(line)
    if found is None:
        raise TooLong
    return Request(found[1], int(found[2]), found[3], found[4]), rest


def read_answer(connection: socket.socket, secret: str, numbers: Numbers, deadline: float) -> tuple[bytes, bytes]:
    """The kind of an answer and its content; `UNKNOWN` where who answers says that it has none of our secrets.

    Raises `TooLong` for what is no answer, and where its seal is not right: somebody else answered, or changed it.
    """
    head, _, content = receive(connection, LONGEST_ANSWER_BYTES, deadline).partition(b"\n")
    found = _ANSWER.fullmatch(head)
    if found is None:
        raise TooLong
    kind = found[1]
    if kind == UNKNOWN:
        return UNKNOWN, b""
    if not hmac.compare_digest(found[2], _seal(secret, b"signer", numbers, kind, digest(content))):
        raise TooLong
    return kind, content


def _seal(secret: str, who: bytes, numbers: Numbers, *said: bytes) -> bytes:
    sealed = b" ".join((b"shopkart-signer/1", who, numbers.of_signer, numbers.of_caller, *said))
    return hmac.new(secret.encode(), sealed, hashlib.sha256).hexdigest().encode()


def _line(connection: socket.socket, deadline: float) -> tuple[bytes, bytes]:
    begun = b""
    while b"\n" not in begun:
        left_seconds = deadline - time.monotonic()
        if left_seconds <= 0 or len(begun) > _LONGEST_LINE_BYTES:
            raise TooLong
        connection.settimeout(left_seconds)
        piece = connection.recv(1 << 16)
        if not piece:
            raise TooLong
        begun += piece
    line, _, rest = begun.partition(b"\n")
    return line, rest
