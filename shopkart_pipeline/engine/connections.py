"""The sockets of the warm server: who is connected, what has been read so far, whose time is up.

A client sends one line and gets one line. One that is silent, endless or does not read its reply loses its connection
and costs nobody else anything. Signals wake the wait through a socket pair, so a child that ends is noticed at once.
"""

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from shopkart_pipeline.engine.messages import LONGEST_REQUEST_BYTES, Reply, encode_reply
from shopkart_pipeline.engine.warm_paths import WarmPaths, socket_address

_PATIENCE_SECONDS = 5.0
_MOST_CLIENTS = 64


@dataclass
class Client:
    """A connection whose request is not complete yet, or whose reply is due."""

    connection: socket.socket
    deadline: float
    received: bytes = b""


def listen(paths: WarmPaths) -> socket.socket:
    """Take the socket of a home; the caller holds the server's lock, so a socket that is there belongs to nobody."""
    paths.socket.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    former_mask = os.umask(0o177)
    try:
        with socket_address(paths.socket) as address:
            listening.bind(address)
    finally:
        os.umask(former_mask)
    listening.listen(_MOST_CLIENTS)
    return listening


class Connections:
    """All sockets of the server; times are monotonic seconds."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, Client] = {}
        self._wake, wake_end = socket.socketpair()
        self._wake_end = wake_end
        for end in (self.listening, self._wake, wake_end):
            end.setblocking(False)
        self._selector.register(self.listening, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(wake_end.fileno(), warn_on_full_buffer=False)

    def wait(self, now: float, timeout_seconds: float) -> Iterator[tuple[Client, bytes]]:
        """Requests that are complete, each with its client; ends after `timeout_seconds` or a signal at the latest."""
        for key, _ in self._selector.select(timeout_seconds):
            if key.fileobj is self.listening:
                self._accept(now)
            elif key.fileobj is self._wake:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
            elif key.fd in self._clients and self._read(self._clients[key.fd]):
                client = self._clients[key.fd]
                yield client, client.received
        for client in [client for client in self._clients.values() if now > client.deadline]:
            self._drop(client)

    def reply(self, client: Client, reply: Reply) -> None:
        """Answer a client and part from it."""
        with contextlib.suppress(OSError):
            client.connection.sendall(encode_reply(reply))
        self._drop(client)

    def abandon(self) -> None:
        """Close everything in a forked child and leave the parent's alone.

        Nothing is unregistered: the selector's kernel object is shared, and the parent goes on waiting with it.
        """
        for client in self._clients.values():
            client.connection.close()
        self._close_own()

    def close(self) -> None:
        """Close everything."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._close_own()

    def _close_own(self) -> None:
        self._selector.close()
        for end in (self.listening, self._wake, self._wake_end):
            end.close()

    def _accept(self, now: float) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self.listening.accept()
            connection.setblocking(False)
            if len(self._clients) >= _MOST_CLIENTS:
                connection.close()
                return
            self._clients[connection.fileno()] = Client(connection, now + _PATIENCE_SECONDS)
            self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, client: Client) -> bool:
        """Read what has come. Returns whether the request is complete; a client that is no use is dropped."""
        try:
            part = client.connection.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            part = b""
        client.received += part
        if client.received.endswith(b"\n"):
            return True
        if not part or len(client.received) > LONGEST_REQUEST_BYTES:
            self._drop(client)
        return False

    def _drop(self, client: Client) -> None:
        if self._clients.pop(client.connection.fileno(), None):
            self._selector.unregister(client.connection)
            client.connection.close()
