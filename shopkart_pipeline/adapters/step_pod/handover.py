"""The run's side of the wire to one step pod: its package may be fetched, and one result may be brought, by whoever
has the word. The pod comes to the run, since nothing may connect to a pod that runs foreign code.

Who connects may be hostile: other pods of steps reach the port. Until the word was said a connection may take ten
seconds in all, and there are few at a time; the word is compared in constant time, and is worth nothing after the
result. A body has to say its length first, and is kept only if it is complete. Nothing is logged of what is asked.
"""

import contextlib
import hmac
import secrets
import shutil
import socket
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.step_pods import HANDOVER_PORTS

PACKAGE, RESULT = "/package", "/result"
_INTRODUCTION_SECONDS = 10.0
_BODY_SECONDS = 600.0
_SILENCE_SECONDS = 30.0
_MOST_CONNECTIONS = 16
_PIECE_BYTES = 1024 * 1024


@dataclass
class Handover:
    """One package for one pod, and its result once that came."""

    package: Path
    target: Path
    """Where the result is written to."""
    limit_bytes: int
    """Of the result."""
    word: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    port: int = 0
    came: bool = False
    """Whether a whole result is there."""
    cut_off: str = ""
    """Why a result that was begun did not become one."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _taken: bool = False

    def knows(self, said: str) -> bool:
        """Whether this is the word."""
        return hmac.compare_digest(said.encode(errors="replace"), f"Bearer {self.word}".encode())

    def begin_result(self) -> bool:
        """Whether this is the first result that somebody brings."""
        with self._lock:
            first, self._taken = not self._taken, True
            return first

    def give_up(self, why: str) -> None:
        """A result was cut off; its sender may try once more."""
        with self._lock:
            self._taken, self.cut_off = False, why


@contextlib.contextmanager
def serving(handover: Handover, host: str = "", ports: tuple[int, int] = HANDOVER_PORTS) -> Generator[None]:
    """Serve one handover while the block runs.

    Raises:
        ToolUnavailable: no port is free.
    """
    server = _server(handover, host, ports)
    handover.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="handover", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _server(handover: Handover, host: str, ports: tuple[int, int]) -> "_Server":
    first, last = ports
    for port in range(first, last + 1):
        with contextlib.suppress(OSError):
            return _Server((host, port), handover)
    raise ToolUnavailable(f"None of the ports {first} to {last} is free.", "Let fewer stages run at the same time.")


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handover: Handover) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.handover = handover
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # pyright: ignore[reportArgumentType]
        finally:
            self._places.release()

    def process_request(self, request: object, client_address: object) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)  # pyright: ignore[reportArgumentType]
            return
        super().process_request(request, client_address)  # pyright: ignore[reportArgumentType]

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "shopkart", ""
    protocol_version = "HTTP/1.0"
    timeout = _SILENCE_SECONDS
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def setup(self) -> None:
        self._limit = self._cut_after(_INTRODUCTION_SECONDS)
        super().setup()

    def finish(self) -> None:
        self._limit.cancel()
        super().finish()

    def _cut_after(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, _cut, (self.request,))
        timer.daemon = True
        timer.start()
        return timer

    def do_GET(self) -> None:
        if not self._is_let_in(PACKAGE):
            return
        with self.server.handover.package.open("rb") as package:
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(self.server.handover.package.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(package, self.wfile, _PIECE_BYTES)

    def do_PUT(self) -> None:
        handover = self.server.handover
        if not self._is_let_in(RESULT):
            return
        said = self.headers.get("Content-Length", "")
        if not (said.isascii() and said.isdecimal() and len(said) < 16):
            self.send_error(411)
        elif int(said) > handover.limit_bytes:
            handover.cut_off = f"it has {int(said)} bytes, of which {handover.limit_bytes} are allowed"
            self.send_error(413)
        elif not handover.begin_result():
            self.send_error(409)
        else:
            self._take(handover, int(said))

    def _take(self, handover: Handover, size_bytes: int) -> None:
        left_bytes = size_bytes
        try:
            with handover.target.open("wb") as target:
                while left_bytes:
                    piece = self.rfile.read(min(left_bytes, _PIECE_BYTES))
                    if not piece:
                        break
                    left_bytes -= len(piece)
                    target.write(piece)
        except OSError:
            handover.give_up(f"it stopped {left_bytes} bytes before its end")
            raise
        if left_bytes:
            handover.give_up(f"it stopped {left_bytes} bytes before its end")
            return
        handover.came = True
        self.send_response(204)
        self.end_headers()

    def _is_let_in(self, path: str) -> bool:
        handover = self.server.handover
        if handover.came or not handover.knows(self.headers.get("Authorization", "")):
            self.send_error(403)
            return False
        if self.path != path:
            self.send_error(404)
            return False
        self._limit.cancel()
        self._limit = self._cut_after(_BODY_SECONDS)
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what is asked is a stranger's."""


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
