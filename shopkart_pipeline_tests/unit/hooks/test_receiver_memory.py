"""How much memory a receiver takes when many send as much as they may, measured on the process itself."""

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil

from shopkart_pipeline.cli.stack import free_port
from shopkart_pipeline.hooks.bodies import MAXIMUM_BODY_BYTES, Limits

_OTHERS_BYTES = 128 * 1024 * 1024
"""What arrives at connections before it is counted, a body that is put together, and what the allocator keeps."""


def test_many_large_bodies_take_no_more_than_was_set_aside(tmp_path: Path) -> None:
    port = free_port()
    variables = {
        "SHOPKART_HOME": str(tmp_path),
        "SHOPKART_RECEIVER_PORT": str(port),
        "SHOPKART_WEBHOOK_SECRET": "correct horse",
    }
    receive = "from shopkart_pipeline.cli.main import main; main(['receive'])"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", receive], env=os.environ | variables, stderr=log)
    try:
        _wait_for(port, process)
        before = psutil.Process(process.pid).memory_info().rss

        with ThreadPoolExecutor(24) as pool:
            answers = Counter(pool.map(lambda _: _post_largest(port), range(24)))

        most = int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())[0]) * 1024
        assert most - before < Limits().held_bytes + _OTHERS_BYTES
        assert answers[503] > 0, answers
        assert set(answers) <= {401, 408, 503}, answers
        assert _post(port, b"{}") == 401, "what was held is given back"
    finally:
        process.kill()
        process.wait()


def _post_largest(port: int) -> int:
    return _post(port, b"x" * MAXIMUM_BODY_BYTES)


def _post(port: int, body: bytes) -> int:
    headers = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    address = f"http://127.0.0.1:{port}/webhooks/github"
    return httpx.post(address, content=body, headers=headers, timeout=60, trust_env=False).status_code


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the receiver does not listen")
