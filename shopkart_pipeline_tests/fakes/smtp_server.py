"""A mail server on this machine that keeps what it is handed: RFC 5321 with STARTTLS (RFC 3207) and AUTH (RFC 4954)."""

import base64
import contextlib
import socketserver
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.tls import Certificate


@dataclass
class Mail:
    """One mail as it was handed in."""

    sender: str
    recipients: list[str]
    content: bytes
    was_encrypted: bool
    user: str


@dataclass
class FakeMailServer:
    """What it knows, and how it behaves."""

    certificate: Certificate | None = None
    """None: it offers no encryption."""
    tls_at_once: bool = False
    users: dict[str, str] = field(default_factory=dict[str, str])
    """Passwords by name; empty: everybody may hand in mail."""
    refused_recipients: set[str] = field(default_factory=set[str])
    data_answer: bytes = b"250 OK"
    farewell: bytes = b"221 Bye"
    silent: threading.Event | None = None
    """If set, it takes connections and says nothing until the event is set."""
    mails: list[Mail] = field(default_factory=list[Mail])


@contextmanager
def running_mail_server(server: FakeMailServer) -> Generator[int]:
    """Serve it; gives the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            session = _Session(server, self.request)
            with contextlib.suppress(OSError):
                session.serve()
            session.close()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield listener.server_address[1]
        finally:
            if server.silent is not None:
                server.silent.set()
            listener.shutdown()
            thread.join()


class _Session:
    def __init__(self, server: FakeMailServer, connection: Any) -> None:
        self._server, self._connection = server, connection
        self._encrypted, self._user = False, ""
        self._sender, self._recipients = "", list[str]()
        self._file = connection.makefile("rb")

    def close(self) -> None:
        self._connection.close()

    def serve(self) -> None:
        if self._server.silent is not None:
            self._server.silent.wait(10)
            return
        if self._server.tls_at_once:
            self._encrypt()
        self._say(b"220 mail.example ESMTP")
        while line := self._file.readline():
            words = line.decode("ascii").strip()
            verb, _, rest = words.partition(" ")
            if verb.upper() == "QUIT":
                self._say(self._server.farewell)
                return
            self._answer(verb.upper(), rest)

    def _answer(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                offers = [b"mail.example", b"AUTH PLAIN"]
                if self._server.certificate is not None and not self._encrypted:
                    offers.append(b"STARTTLS")
                self._say(b"\r\n".join(b"250-" + each for each in offers[:-1]) + b"\r\n250 " + offers[-1])
            case "STARTTLS":
                self._say(b"220 Go ahead")
                self._encrypt()
            case "AUTH":
                self._log_in(rest)
            case "MAIL":
                denied = self._server.users and not self._user
                self._sender, self._recipients = rest[len("FROM:<") :].partition(">")[0], []
                self._say(b"530 Authentication required" if denied else b"250 OK")
            case "RCPT":
                self._recipient(rest[len("TO:<") :].partition(">")[0])
            case "DATA":
                self._data()
            case _:
                self._say(b"250 OK")

    def _log_in(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        known = self._server.users.get(user) == password
        self._user = user if known else ""
        # Some servers repeat what they were told.
        self._say(b"235 OK" if known else f"535 {password} is not the password".encode())

    def _recipient(self, address: str) -> None:
        if address in self._server.refused_recipients:
            self._say(b"550 No such user here")
            return
        self._recipients.append(address)
        self._say(b"250 OK")

    def _data(self) -> None:
        self._say(b"354 Go on")
        lines = list[bytes]()
        while (line := self._file.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self._say(self._server.data_answer)
        if self._server.data_answer.startswith(b"250"):
            content = b"".join(lines)
            self._server.mails.append(Mail(self._sender, self._recipients, content, self._encrypted, self._user))

    def _encrypt(self) -> None:
        assert self._server.certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._server.certificate.certificate, self._server.certificate.key)
        self._connection = context.wrap_socket(self._connection, server_side=True)
        self._file.close()
        self._file, self._encrypted = self._connection.makefile("rb"), True

    def _say(self, line: bytes) -> None:
        self._connection.sendall(line + b"\r\n")
