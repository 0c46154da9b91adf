"""What arrives over a real connection, which is anything: no answer is a 5xx, nothing unsigned is stored."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.hooks.bodies import MAXIMUM_BODY_BYTES
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.hooks.server import configured
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

SECRET = "correct horse"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Served:
    """A receiver on a port, as `shopkart receive` serves it."""

    def __init__(self, server: uvicorn.Server, inbox: MemoryInbox) -> None:
        self.server, self.inbox = server, inbox

    @property
    def port(self) -> int:
        return int(self.server.servers[0].sockets[0].getsockname()[1])

    def send(self, *parts: bytes, wait_seconds: float = 10) -> list[int]:
        """The statuses that are answered to these bytes, sent in these pieces.

        Args:
            parts: the pieces.
            wait_seconds: how long to wait for more before the connection is closed on our side.
        """
        received = b""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection,
            contextlib.suppress(ConnectionError),
        ):
            for part in parts:
                connection.sendall(part)
            connection.settimeout(wait_seconds)
            with contextlib.suppress(TimeoutError):
                while part := connection.recv(65536):
                    received += part
            connection.settimeout(10)
            with contextlib.suppress(OSError):  # It may be closed from the other side by now.
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        return [int(status) for status in _STATUS.findall(received)]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    inbox = MemoryInbox()
    app = create_app(inbox, [SECRET], FakeClock(), lambda: None)
    server = uvicorn.Server(configured(app, "127.0.0.1", 0))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Served(server, inbox)
    finally:
        server.should_exit = True
        thread.join(30)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


_TOKENS = st.sampled_from(
    [
        b"POST /webhooks/github HTTP/1.1\r\n",
        b"POST /webhooks/github HTTP/9.9\r\n",
        b"GET / HTTP/1.0\r\n",
        b"Host: x\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n",
        b"X-GitHub-Event: push\r\n",
        b"X-GitHub-Delivery: unsigned\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"ffffffffffff\r\n",
        b"3\r\nabc\r\n",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(_TOKENS | st.binary(max_size=60), max_size=14), places=st.lists(st.integers(0, 2000), max_size=3))
def test_no_bytes_break_it_and_none_that_are_unsigned_are_kept(
    served: Served, parts: list[bytes], places: list[int]
) -> None:
    statuses = served.send(*cut(b"".join(parts), places), wait_seconds=0.02)

    assert all(status < 500 for status in statuses)
    assert served.inbox.pending() == ()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=400),
    said_bytes=st.integers(-3, 3),
    chunked=st.booleans(),
    is_signed=st.booleans(),
    places=st.lists(st.integers(0, 1200), max_size=4),
)
def test_only_what_is_whole_and_signed_is_kept(
    served: Served, body: bytes, said_bytes: int, chunked: bool, is_signed: bool, places: list[int]
) -> None:
    name = f"d-{time.monotonic_ns()}"
    length = max(0, len(body) + said_bytes)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % length
    head = [
        b"POST /webhooks/github HTTP/1.1",
        b"Host: receiver",
        b"Connection: close",
        b"X-GitHub-Event: push",
        b"X-GitHub-Delivery: " + name.encode(),
        b"X-Hub-Signature-256: " + signature_of(body, SECRET if is_signed else "another").encode(),
        framing,
        b"",
        b"",
    ]
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (length, body) if chunked and body else body
    sent = b"0\r\n\r\n" if chunked and not body else sent

    is_whole = length == len(body) or (chunked and not body)
    statuses = served.send(*cut(b"\r\n".join(head) + sent, places), wait_seconds=10 if is_whole else 0.05)

    kept = {each.id: each.body for each in served.inbox.pending(limit=1000)}
    assert all(status < 500 for status in statuses)
    assert kept in ({}, {name: body})
    assert (name in kept) == (202 in statuses)
    assert is_signed or not kept
    if is_whole:
        assert statuses == [202 if is_signed else 401]
    served.inbox.done(name, "released", FakeClock().now())


def test_headers_without_end_are_cut_off(served: Served) -> None:
    line = b"X-Nothing: " + b"a" * 1000 + b"\r\n"

    assert served.send(b"POST /webhooks/github HTTP/1.1\r\n", *[line] * 2000) in ([400], [])
    assert served.send(b"POST /webhooks/github HTTP/1.1\r\nX-Nothing: ", *[b"a" * 65536] * 100) in ([400], [])


def test_a_body_without_end_is_cut_off(served: Served) -> None:
    head = (
        b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n\r\n"
    )
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"

    statuses = served.send(head, *[chunk] * (MAXIMUM_BODY_BYTES // 0x100000 + 8))

    assert statuses in ([413], [])
    assert served.inbox.pending() == ()
