"""A real Alertmanager (Debian's `prometheus-alertmanager`) as a child of the tests, and somebody it tells."""

import contextlib
import json
import shutil
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shopkart_pipeline_tests.contract.loopback_servers import running_server
from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
AMTOOL = shutil.which("amtool")


@dataclass
class Told:
    """What a webhook's receiver was told."""

    address: str
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    authorizations: list[str | None] = field(default_factory=list[str | None])


@contextlib.contextmanager
def a_receiver() -> Generator[Told]:
    """Somebody who is told, on this machine."""
    told, turn = Told(""), threading.Lock()

    class Receiver(JsonHandler):
        def do_POST(self) -> None:
            body = json.loads(self.body())
            with turn:
                told.bodies.append(body)
                told.authorizations.append(self.headers["Authorization"])
            self.answer(202, b"{}")

    with served(Receiver) as address:
        told.address = address
        yield told


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
