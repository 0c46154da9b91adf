"""A real Alertmanager (Debian's `prometheus-alertmanager`) as a child of the tests, and the pipeline's receiver, which
it tells."""

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.hooks.server import configured
from shopkart_pipeline.ports.inbox import Inbox
from shopkart_pipeline_tests.contract.loopback_servers import running_server

PROGRAM = shutil.which("prometheus-alertmanager")


@contextlib.contextmanager
def running_receiver(inbox: Inbox, token: str) -> Generator[str]:
    """The receiver, with a door for Alertmanager; gives its address."""
    app = create_app(inbox, ("a secret",), SystemClock(), lambda: None, alertmanager_tokens=(token,))
    server = uvicorn.Server(configured(app, "127.0.0.1", 0))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def running_alertmanager(folder: Path, configuration: Mapping[str, Any]) -> Generator[str]:
    """Run Alertmanager, alone; gives its address."""
    assert PROGRAM is not None
    program, path = PROGRAM, folder / "alertmanager.yml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(configuration))  # JSON is YAML.

    def command(port: int) -> Sequence[str]:
        listen, data = f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={folder / 'data'}"
        return [program, f"--config.file={path}", data, listen, "--cluster.listen-address="]

    with running_server(command, folder) as address:
        yield address
