"""One question to a service: 200 with something in it, or why not."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shopkart_pipeline.adapters.http_probe import probe


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, content = {"/catalogue": (200, b"{}"), "/empty": (200, b" ")}.get(self.path, (404, b"nothing"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Shop) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_answer_with_something_in_it_will_do(address: str) -> None:
    assert probe(address, "/catalogue") is None


def test_nothing_is_no_answer(address: str) -> None:
    assert probe(address, "/empty") == "/empty is answered with nothing"


def test_another_status_is_told(address: str) -> None:
    assert "404" in str(probe(address, "/orders"))
