"""The drain of a real process over real sockets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
DRAIN_SECONDS = 1.6


@dataclass(frozen=True)
class Process:
    """The slow service and the address that it said it listens on."""

    process: subprocess.Popen[str]
    url: str

    def end(self) -> int:
        """The exit code."""
        return self.process.wait(timeout=DRAIN_SECONDS + 2)


@pytest.fixture
def slow_service() -> Generator[Process]:
    """One process of the slow service, listening."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    process = subprocess.Popen(
        [sys.executable, HERE / "slow_service.py"],
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(HERE.parent / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PORT": "0",
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            **measured,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    yield Process(process, f"http://127.0.0.1:{port}")
    process.kill()
    process.communicate()


def test_a_drain_finishes_what_runs_and_uses_up_open_connections(slow_service):
    with ThreadPoolExecutor() as pool, httpx.Client(base_url=slow_service.url) as client:
        assert client.get("/health/ready").status_code == 200
        running = pool.submit(client.get, "/slow?seconds=0.4")
        time.sleep(0.1)
        slow_service.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)

        late = client.get("/slow")
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        assert client.get("/health/ready").status_code == 503
        assert running.result().text == "answered"
    assert slow_service.end() == 0


def test_a_request_that_outlasts_the_drain_does_not_keep_the_process(slow_service):
    with ThreadPoolExecutor() as pool, httpx.Client(base_url=slow_service.url) as client:
        client.get("/health/live")
        running = pool.submit(client.get, "/slow?seconds=60")
        time.sleep(0.1)
        began = time.monotonic()
        slow_service.process.send_signal(signal.SIGTERM)

        assert slow_service.end() == 0
        assert time.monotonic() - began <= DRAIN_SECONDS
        assert running.result().status_code == 500
