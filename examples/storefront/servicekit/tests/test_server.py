"""The drain of a real process over real sockets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
END_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Process:
    """The slow service and the address that it said it listens on."""

    process: subprocess.Popen[str]
    url: str

    def end(self) -> int:
        """The exit code."""
        return self.process.wait(timeout=END_TIMEOUT_SECONDS)


@pytest.fixture
def start() -> Generator[Callable[[float], Process]]:
    """Starts the slow service with the given drain time, in seconds; it listens."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    with ExitStack() as started:

        def start_one(drain_seconds: float) -> Process:
            process = subprocess.Popen(
                [sys.executable, HERE / "slow_service.py"],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "PYTHONPATH": str(HERE.parent / "src"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PORT": "0",
                    "DRAIN_SECONDS": str(drain_seconds),
                    **measured,
                },
                stdout=subprocess.PIPE,
                text=True,
            )
            started.callback(process.communicate)
            started.callback(process.kill)
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            return Process(process, f"http://127.0.0.1:{port}")

        yield start_one


def test_a_drain_finishes_what_runs_and_uses_up_open_connections(start):
    service = start(20)
    with ThreadPoolExecutor() as pool, httpx.Client(base_url=service.url) as client:
        assert client.get("/health/ready").status_code == 200
        running = pool.submit(client.get, "/slow?seconds=0.4")
        time.sleep(0.1)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)

        late = client.get("/slow")
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        assert client.get("/health/ready").status_code == 503
        assert running.result().text == "answered"
    assert service.end() == 0


def test_a_request_that_outlasts_the_drain_does_not_keep_the_process(start):
    service = start(1.5)
    with ThreadPoolExecutor() as pool, httpx.Client(base_url=service.url, timeout=30) as client:
        client.get("/health/live")
        running = pool.submit(client.get, "/slow?seconds=60")
        time.sleep(0.1)
        service.process.send_signal(signal.SIGTERM)

        assert service.end() == 0
        assert running.result().status_code == 500
