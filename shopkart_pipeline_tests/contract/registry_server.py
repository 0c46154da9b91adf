"""A real OCI registry (Debian's `docker-registry`) as a child of the tests, on a free loopback port."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAM = shutil.which("docker-registry")
_START_SECONDS = 10.0
_CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/storage}}
http:
  addr: 127.0.0.1:{port}
"""


@contextlib.contextmanager
def running_registry(folder: Path) -> Iterator[str]:
    """Run a registry that stores below `folder`; gives its address."""
    assert PROGRAM is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "registry.yml"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port), encoding="utf-8")
    with (folder / "registry.log").open("wb") as log:
        server = subprocess.Popen([PROGRAM, "serve", str(configuration)], stdout=log, stderr=log)
    try:
        _wait_for(port, folder / "registry.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(log.read_text(encoding="utf-8"))
