"""Servers of the field as children of the tests, on free loopback ports, with nothing of our environment."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


@contextlib.contextmanager
def running_server(
    command: Callable[[int], Sequence[str]],
    folder: Path,
    *,
    variables: Callable[[int], Mapping[str, str]] = lambda _: {},
    start_seconds: float = 60.0,
) -> Iterator[str]:
    """Run a server; gives its address.

    Args:
        command: what to start, for a port.
        folder: where it may write; its log is `server.log` there.
        variables: its environment beside `PATH` and a home, for a port.
        start_seconds: how long it may take to listen.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **variables(port)}
    log_path = folder / "server.log"
    with log_path.open("wb") as log:
        server = subprocess.Popen(command(port), stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        _wait_for(server, port, log_path, start_seconds)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path, start_seconds: float) -> None:
    deadline = time.monotonic() + start_seconds
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"{server.args} does not listen:\n{log.read_text(encoding='utf-8', errors='replace')}")
