"""`python -m shopkart_pipeline.cli.bench.make_server PORT FOLDER`: the least that can be called a pipeline.

A POST whose HMAC fits is answered, and `make -j2` runs; `finished` in the folder then says when it was through. The
secret is read from `secret` in the folder.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.adapters.github import is_signed
from shopkart_pipeline.adapters.system_clock import SystemClock


def serve(port: int, folder: Path) -> None:
    """Serve until killed."""
    secret = (folder / "secret").read_text()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = is_signed(body, self.headers["X-Hub-Signature-256"], [secret])
            self.send_response(202 if signed else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if signed:
                threading.Thread(target=_make, args=(folder,)).start()

        def log_message(self, format: str, *args: object) -> None:
            return

    ThreadingHTTPServer(("127.0.0.1", port), Hook).serve_forever()


def _make(folder: Path) -> None:
    done = run(Command(("make", "-j2", "-B", "-s", "published_image"), folder, 60.0))
    write_atomically(folder / "finished", f"{SystemClock().now().timestamp()} {done.exit_code}".encode())


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
