"""`make -j2` behind a bare HTTP server that verifies the signature: nothing is stored, nobody can look at anything."""

import secrets
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from shopkart_pipeline.adapters._process import Background, Command, run
from shopkart_pipeline.cli.bench.peers import NEEDS, Peer, Timing, await_end, await_port, post
from shopkart_pipeline.cli.stack import ROOT, free_port
from shopkart_pipeline.settings import from_environment, variables_for

_SECRET_BYTES = 16


class MakePeer(Peer):
    """The server, started in a folder with a Makefile."""

    name = "make -j2"

    def __init__(self, folder: Path, port: int, secret: str) -> None:
        self._folder, self._port, self._secret = folder, port, secret
        first_line = run(Command(("make", "--version"), folder, 10.0, capture=True)).stdout.decode().splitlines()[0]
        self.version = f"{first_line} behind Python's http.server"

    def sample(self) -> Timing:
        marks = self._folder / "finished"
        marks.unlink(missing_ok=True)
        posted_at = post(f"http://127.0.0.1:{self._port}/", b'{"ref": "refs/heads/main"}', self._secret)
        ended_at = await_end(marks)
        first = float((self._folder / "source").read_text())
        return Timing(first - posted_at, ended_at - posted_at)


@contextmanager
def running_make(folder: Path) -> Generator[MakePeer]:
    """Start the server, and stop it afterwards."""
    folder.mkdir(parents=True)
    port, secret = free_port(), secrets.token_hex(_SECRET_BYTES)
    (folder / "secret").write_text(secret)
    (folder / "Makefile").write_text(makefile())
    program = [sys.executable, "-m", "shopkart_pipeline.cli.bench.make_server", str(port), str(folder)]
    variables = variables_for(from_environment()) | {"PYTHONPATH": str(ROOT)}
    server = Background("make", program, variables, folder / "server.log")
    try:
        await_port(port, server, 30.0)
        yield MakePeer(folder, port, secret)
    finally:
        server.stop(5.0)


def makefile() -> str:
    """The graph of the stages; each writes when it ran."""
    return "".join(f"{stage}: {' '.join(needs)}\n\t@date +%s.%N > $@\n" for stage, needs in NEEDS.items())
