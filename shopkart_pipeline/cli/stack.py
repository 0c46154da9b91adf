"""The processes that make up a running pipeline on one machine, started together and stopped together.

What is started is written to `stack.json` in the home (process id and start time), so that the next start ends what
a killed one left behind. The local cluster is asked to stop last: replicas drain while nothing changes them any more.
"""

import contextlib
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._process import Background
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.engine.instance_home import prepare_home
from shopkart_pipeline.engine.warm_client import ServerOptions, WarmClient
from shopkart_pipeline.engine.web_options import WORKSPACE, WebOptions
from shopkart_pipeline.settings import Settings, variables_for

ROOT = Path(__file__).resolve().parents[2]
_BIN = Path(sys.executable).parent
STOP_SECONDS = 30.0
START_SECONDS = 180.0
"""How long a start may take on a busy machine; a process that ends meanwhile is noticed at once."""
_SHORTER_STOP_SECONDS = {"daemon": 3.0}
"""A daemon that still loads its code location would not end before it has; it holds nothing that a kill would lose."""
ENGINE = "engine"
"""The one process that others may replace; see `supervision`."""


@dataclass
class Stack:
    """Running processes, in the order of their start."""

    settings: Settings
    processes: list[Background] = field(default_factory=list[Background])
    _commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = field(
        default_factory=dict[str, tuple[Sequence[str], Mapping[str, str]]], repr=False
    )

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        extra: Mapping[str, str] | None = None,
    ) -> Background:
        """Start one; its output goes to `logs/processes/NAME.log` in the home."""
        self._commands[name] = arguments, variables_for(self.settings) | dict(extra or {})
        process = self._begun(name)
        self.processes.append(process)
        self._remember()
        return process

    def restart(self, ended: Background) -> Background:
        """Start one that has ended again, in its place; what it has left running goes first."""
        ended.stop(0.0)
        process = self._begun(ended.name)
        self.processes[self.processes.index(ended)] = process
        self._remember()
        return process

    def _begun(self, name: str) -> Background:
        arguments, variables = self._commands[name]
        log = self.settings.home / "logs" / "processes" / f"{name}.log"
        return Background(name, arguments, variables, log)

    def check(self) -> None:
        """Raise `ToolUnavailable` if one has ended by itself."""
        for process in self.processes:
            if process.exit_code is not None:
                raise ToolUnavailable(f"{process.name} ended with code {process.exit_code}.", f"See {process.log}.")

    def stop(self) -> None:
        """Stop all: what was started last goes first, so nothing loses what it needs. Being told once more meanwhile,
        as by a second Ctrl-C, changes nothing: half of them would be left behind."""
        with _deaf():
            with contextlib.suppress(PipelineError):
                WarmClient(self.settings.dagster_home).shutdown(stop_runs=True)
            self.stop_processes()
            _file(self.settings).unlink(missing_ok=True)

    def stop_processes(self) -> None:
        """Stop these processes alone; runs go on."""
        for process in reversed(self.processes):
            process.stop(_SHORTER_STOP_SECONDS.get(process.name, STOP_SECONDS))
        with contextlib.suppress(PipelineError):  # The sensor may have started another while runs were waiting.
            WarmClient(self.settings.dagster_home).shutdown(stop_runs=True)
        self.processes.clear()

    def _remember(self) -> None:
        known = [{"pid": each.pid, "created": _created(each.pid)} for each in self.processes]
        write_atomically(_file(self.settings), json.dumps(known).encode())


@contextlib.contextmanager
def _deaf() -> Generator[None]:
    """No signal that asks to end gets through; other threads than the first are never interrupted anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def end_leftovers(settings: Settings) -> int:
    """End the processes of a stack of this home that was killed; returns how many there were."""
    with contextlib.suppress(PipelineError):
        WarmClient(settings.dagster_home).shutdown(stop_runs=True)
    path = _file(settings)
    known: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    ended = 0
    for entry in reversed(known):
        if _created(entry["pid"]) == entry["created"]:
            process = psutil.Process(entry["pid"])
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                ended += 1
    path.unlink(missing_ok=True)
    return ended


def start_signer(stack: Stack) -> None:
    """Whoever signs what the pipeline states; everything else is started after it."""
    stack.start("signer", [str(_BIN / "shopkart"), "signer"])


def start_platform(stack: Stack) -> None:
    """The local cluster with its databases and load balancer."""
    stack.start("cluster", [str(_BIN / "shopkart"), "cluster"])


def start_engine(stack: Stack, options: ServerOptions | None = None) -> None:
    """The warm worker; nothing else opens Dagster's storage before it has."""
    prepare_home(stack.settings.dagster_home)
    options = replace(options or ServerOptions(), watch=(str(stack.settings.declaration),), idle_timeout_seconds=0)
    program = [sys.executable, "-m", "shopkart_pipeline.engine.warm_server_main", str(stack.settings.dagster_home)]
    stack.start(ENGINE, [*program, *options.arguments()])


def wait_for_engine(stack: Stack, timeout_seconds: float = START_SECONDS) -> None:
    """Wait until the warm worker has loaded everything; a client that started one by itself would be a second one."""
    client, deadline = WarmClient(stack.settings.dagster_home), time.monotonic() + timeout_seconds
    while not client.is_served():
        stack.check()
        if time.monotonic() > deadline:
            raise ToolUnavailable(f"The engine does not serve after {timeout_seconds:.0f} s.", "See its log.")
        time.sleep(0.05)
    client.status(max(1.0, deadline - time.monotonic()))


def start_daemon(stack: Stack, workspace: Path = WORKSPACE) -> None:
    """Sensors, schedules and run monitoring."""
    stack.start("daemon", [str(_BIN / "dagster-daemon"), "run", "-w", str(workspace)])


def start_web(stack: Stack, options: WebOptions) -> None:
    """The web interface."""
    program = [sys.executable, "-m", "shopkart_pipeline.engine.web", str(stack.settings.dagster_home)]
    stack.start("web", [*program, *options.arguments()])


def start_receiver(stack: Stack) -> None:
    """The door for webhooks."""
    extra = {"SHOPKART_RECEIVER_PORT": str(stack.settings.receiver_port)}
    stack.start("receiver", [str(_BIN / "shopkart"), "receive"], extra)


def start_exporter(stack: Stack) -> None:
    """The pipeline's own metrics for Prometheus."""
    stack.start("exporter", [str(_BIN / "shopkart"), "exporter"])


def wait_for_port(stack: Stack, port: int, timeout_seconds: float = START_SECONDS) -> None:
    """Wait until something listens on a local port."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        stack.check()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise ToolUnavailable(f"Nothing listens on port {port} after {timeout_seconds:.0f} s.", "See the logs in the home.")


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _file(settings: Settings) -> Path:
    return settings.home / "stack.json"


def _created(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
