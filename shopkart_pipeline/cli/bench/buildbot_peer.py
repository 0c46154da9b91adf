"""Buildbot: a master and one local worker, in an environment of their own that is installed from a lock with hashes.

A push becomes one build of eleven shell commands, in a row, because that is how Buildbot's steps run. Buildbot neither
checks out nor keeps reports here, as the commands have nothing to do.
"""

import hashlib
import json
import secrets
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from shopkart_pipeline.adapters._process import Background, Command, find_executable, run
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.cli.bench.peers import NEEDS, Peer, Timing, await_end, await_port, post
from shopkart_pipeline.cli.stack import free_port
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.settings import from_environment, variables_for

LOCK = Path(__file__).with_name("buildbot.lock")
_CONFIG = Path(__file__).with_name("buildbot_master.cfg")
_INSTALL_SECONDS, _START_SECONDS = 600.0, 60.0
_COMMIT = {
    "id": "1" * 40,
    "message": "Change",
    "timestamp": "2026-01-01T00:00:00+00:00",
    "url": "",
    "author": {"name": "Bench", "email": "bench@shopkart.example"},
    "committer": {"name": "Bench", "email": "bench@shopkart.example"},
    "modified": ["app.txt"],
}
_BODY = json.dumps(
    {
        "ref": "refs/heads/main",
        "repository": {"name": "services", "full_name": "bench/services", "html_url": ""},
        "head_commit": _COMMIT,
        "commits": [_COMMIT],
    }
).encode()


class BuildbotPeer(Peer):
    """Master and worker, started."""

    name = "Buildbot"

    def __init__(self, marks: Path, port: int, secret: str, version: str) -> None:
        self._marks, self._port, self._secret = marks, port, secret
        self.version = version

    def sample(self) -> Timing:
        finished = self._marks / "finished"
        finished.unlink(missing_ok=True)
        posted_at = post(f"http://127.0.0.1:{self._port}/change_hook/github", _BODY, self._secret)
        ended_at = await_end(finished)
        first = float((self._marks / next(iter(NEEDS))).read_text())
        return Timing(first - posted_at, ended_at - posted_at)


@contextmanager
def running_buildbot(folder: Path, cache: Path) -> Generator[BuildbotPeer]:
    """Install Buildbot unless it is installed, start master and worker, and stop them afterwards."""
    binaries = install_buildbot(cache)
    marks, master, worker = folder / "marks", folder / "master", folder / "worker"
    marks.mkdir(parents=True)
    port, worker_port = free_port(), free_port()
    secret, password = secrets.token_hex(16), secrets.token_hex(16)
    buildbot, buildbot_worker = str(binaries / "buildbot"), str(binaries / "buildbot-worker")
    _run([buildbot, "create-master", "--quiet", str(master)], folder)
    (master / "bench.json").write_text(
        json.dumps(
            {
                "port": port,
                "worker_port": worker_port,
                "secret": secret,
                "password": password,
                "marks": str(marks),
                "stages": list(NEEDS),
            }
        )
    )
    shutil.copyfile(_CONFIG, master / "master.cfg")
    address = f"127.0.0.1:{worker_port}"
    _run([buildbot_worker, "create-worker", "--quiet", str(worker), address, "local", password], folder)
    version = _run([buildbot, "--version"], folder).splitlines()[0].rpartition(" ")[2]
    started: list[Background] = []
    try:
        started.append(_start("buildbot", [buildbot, "start", "--nodaemon", str(master)], folder))
        await_port(port, started[0], _START_SECONDS)
        started.append(_start("worker", [buildbot_worker, "start", "--nodaemon", str(worker)], folder))
        _await_worker(port)
        yield BuildbotPeer(marks, port, secret, f"Buildbot {version}, one master, one local worker")
    finally:
        for process in reversed(started):
            process.stop(10.0)


def install_buildbot(cache: Path) -> Path:
    """Install what the lock pins, once for each lock and Python; returns the folder of its programs."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    environment = cache / f"buildbot-{digest}"
    if not environment.exists():
        uv = find_executable("uv", Path(sys.executable).parent)
        if uv is None:
            raise ToolUnavailable("uv is not installed.", "Start through ./shopkart, which installs it.")
        draft = cache / f".{environment.name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        cache.mkdir(parents=True, exist_ok=True)
        _run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(draft)], cache)
        python = str(draft / "bin" / "python")
        _run([uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(LOCK)], cache)
        draft.rename(environment)
    return environment / "bin"


def _run(command: Sequence[str], folder: Path) -> str:
    done = run(Command(command, folder, _INSTALL_SECONDS, network=True, capture=True))
    if problem := done.failure(Path(command[0]).name):
        raise ToolUnavailable(f"{problem}.", "Buildbot is one of the bench's peers; see the package index.")
    return done.stdout.decode()


def _start(name: str, program: Sequence[str], folder: Path) -> Background:
    return Background(name, program, variables_for(from_environment()), folder / f"{name}.log")


def _await_worker(port: int) -> None:
    clock = SystemClock()
    deadline = clock.now().timestamp() + _START_SECONDS
    while clock.now().timestamp() < deadline:
        with suppress(httpx.HTTPError):
            workers = httpx.get(f"http://127.0.0.1:{port}/api/v2/workers", timeout=5).json()["workers"]
            if any(worker["connected_to"] for worker in workers):
                return
        clock.sleep(0.2)
    raise ToolUnavailable("Buildbot's worker did not connect.", "See worker.log in the bench's folder.")
