"""A web service that can be told to misbehave, made of nothing but the standard library.

What it does is part of its image: `behaviour.json` beside this file. It answers `/` with who it is, drains on SIGTERM
(requests that are being answered end, connections are closed, then it leaves), and logs errors as JSON lines.
"""

import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOUR = {
    "version": "unknown",
    "start_seconds": 0.0,
    "exit_code": None,
    "ready": True,
    "error_every": 0,
    "deaf_to_sigterm": False,
    **json.loads(Path(__file__).with_name("behaviour.json").read_text()),
}
STARTED = time.monotonic()
draining = threading.Event()
hung = threading.Event()
answered = in_flight = 0
counting = threading.Lock()


def log(level: str, message: str, **fields: object) -> None:
    line = {
        "time": datetime.now(UTC).isoformat(),
        "level": level,
        "message": message,
        "version": os.environ["SHOPKART_VERSION"],
        "track": os.environ["SHOPKART_TRACK"],
        **fields,
    }
    print(json.dumps(line), flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        global in_flight
        with counting:
            in_flight += 1
        try:
            self.route()
        finally:
            with counting:
                in_flight -= 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def route(self) -> None:
        global answered
        if self.path == "/health/startup":
            self.answer(200 if time.monotonic() - STARTED >= BEHAVIOUR["start_seconds"] else 503, {"starting": True})
        elif self.path == "/health/ready":
            self.answer(200 if BEHAVIOUR["ready"] and not draining.is_set() else 503, {"ready": BEHAVIOUR["ready"]})
        elif self.path == "/health/live":
            if hung.is_set():
                time.sleep(60)
            self.answer(200, {"alive": True})
        elif self.path == "/hang":
            hung.set()
            self.answer(200, {})
        elif self.path == "/slow":
            time.sleep(1.0)
            self.answer(200, identity())
        else:
            answered += 1
            if BEHAVIOUR["error_every"] and answered % BEHAVIOUR["error_every"] == 0:
                log("error", "can't answer", signature="ValueError@replica_app.answer")
                self.answer(500, {"error": True})
            else:
                self.answer(200, identity())

    def answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if draining.is_set():
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def identity() -> dict[str, object]:
    return {
        "version": BEHAVIOUR["version"],
        "track": os.environ["SHOPKART_TRACK"],
        "environment": os.environ["SHOPKART_ENVIRONMENT"],
        "pid": os.getpid(),
        "parent": os.getppid(),
        "variables": dict(os.environ),
        "path": sys.path,
    }


def main() -> int:
    if BEHAVIOUR["exit_code"] is not None:
        print("this version can't start", file=sys.stderr)
        return int(BEHAVIOUR["exit_code"])
    server = Server((os.environ["HOST"], int(os.environ["PORT"])), Handler)

    def drain(*_: object) -> None:
        if BEHAVIOUR["deaf_to_sigterm"] or draining.is_set():
            return
        draining.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, drain)
    log("info", "listening")
    server.serve_forever(poll_interval=0.02)
    server.server_close()
    # Requests that are still being answered run in threads of their own.
    time.sleep(0.1)
    while in_flight:
        time.sleep(0.01)
    log("info", "drained")
    return 0


if __name__ == "__main__":
    sys.exit(main())
