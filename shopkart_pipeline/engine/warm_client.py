"""Talks to the warm server of an instance home, and starts one when none answers.

Knows nothing of Dagster and imports fast, so the webhook receiver can wake the pipeline with `WarmClient.call`.
"""

import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.engine.file_lock import file_lock
from shopkart_pipeline.engine.messages import (
    Answer,
    Call,
    Launch,
    Ping,
    Refusal,
    Reply,
    Request,
    Shutdown,
    Status,
    Terminate,
    decode_reply,
    encode_request,
)
from shopkart_pipeline.engine.warm_paths import WarmPaths, socket_address

_REPLY_SECONDS = 30.0  # A server that loads its definitions answers when it has them.
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ServerOptions:
    """How a server is to be started; a server that runs already keeps its own."""

    definitions_module: str = "shopkart_pipeline.definitions"
    watch: tuple[str, ...] = ()
    """Files that the definitions are made from, besides the modules beside the definitions module."""
    max_running_runs: int = 0
    """How many runs may be at work on this machine; 0: as the definitions say (see `places`)."""
    terminate_grace_seconds: int = 20
    idle_timeout_seconds: int = 3600
    """A server without work ends after this time; 0 means never."""

    def arguments(self) -> list[str]:
        """The same as command line arguments."""
        return [
            f"--definitions-module={self.definitions_module}",
            *(f"--watch={path}" for path in self.watch),
            f"--max-running-runs={self.max_running_runs}",
            f"--terminate-grace-seconds={self.terminate_grace_seconds}",
            f"--idle-timeout-seconds={self.idle_timeout_seconds}",
        ]


class WarmClient:
    """Requests to the server of one home. Every method raises ToolUnavailable when no server answers in time, and
    PipelineError when it answers with a refusal."""

    def __init__(self, home: Path) -> None:
        self._paths = WarmPaths(home)

    def launch(self, run_id: str, job_name: str, queue: str = "", group: str = "") -> None:
        """Have a run executed that the instance knows; returns when the server has it on record."""
        self.ask(Launch(run_id, job_name, queue, group))

    def call(self, target: str) -> None:
        """Have `module:function` called with the instance; while it runs, further calls become one more."""
        self.ask(Call(target))

    def terminate(self, run_id: str) -> str:
        """End a run's worker. Returns `signalled`, `dequeued` (it had not started) or `not_running`."""
        return str(self.ask(Terminate(run_id))["outcome"])

    def status(self, timeout_seconds: float = _REPLY_SECONDS) -> dict[str, Any]:
        """What the server does: its pid, state, and the runs that run and wait."""
        return self.ask(Status(), timeout_seconds)

    def shutdown(self, *, stop_runs: bool) -> None:
        """Stop the server; with `stop_runs` the runs too, otherwise they go on."""
        self.ask(Shutdown(stop_runs))

    def is_served(self) -> bool:
        """Whether a server has this home's socket, ready or still loading."""
        try:
            with _connected(self._paths.socket):
                return True
        except OSError:
            return False

    def ask(self, request: Request, timeout_seconds: float = _REPLY_SECONDS) -> dict[str, Any]:
        """Send one request and wait for its reply."""
        try:
            try:
                reply = self._exchange(request, timeout_seconds)
            except ConnectionError:  # The server was replaced at this moment; no request does more when sent twice.
                reply = self._exchange(request, timeout_seconds)
        except (OSError, ValueError, KeyError) as error:
            raise ToolUnavailable(
                f"The warm server of {self._paths.home} does not answer: {error}.", f"See {self._paths.log}."
            ) from error
        match reply:
            case Answer(data):
                return data
            case Refusal(what, fix):
                raise PipelineError(what, fix)

    def _exchange(self, request: Request, timeout_seconds: float) -> Reply:
        with _connected(self._paths.socket) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(encode_request(request))
            return decode_reply(_read_line(connection))

    def ensure_server(self, options: ServerOptions, timeout_seconds: float = 60.0) -> None:
        """Start a server unless one serves, and wait until it is ready."""
        self._paths.make()
        if not self.is_served():
            with file_lock(self._paths.start_lock):
                if not self.is_served():
                    _start(self._paths, options)
                    self._wait_until_served(timeout_seconds)
        self.ask(Ping(), timeout_seconds)

    def _wait_until_served(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not self.is_served():
            if time.monotonic() > deadline:
                raise ToolUnavailable("The warm server did not start.", f"See {self._paths.log}.")
            time.sleep(_POLL_SECONDS)


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_REPLY_SECONDS)
        with socket_address(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _read_line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("the connection was closed before the reply was complete")
        received += part
    return received


def _start(paths: WarmPaths, options: ServerOptions) -> None:
    """Start a server that belongs to nobody: in a session of its own, and not a child of this process."""
    root = str(Path(__file__).parents[2])
    environment = dict(os.environ)  # noqa: TID251 # Handed on unread: definitions may need any of it.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    server = [sys.executable, "-m", "shopkart_pipeline.engine.warm_server_main", str(paths.home), *options.arguments()]
    log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    shell = os.posix_spawn(
        "/bin/sh",
        _in_background(server),
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(paths.log), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    os.waitpid(shell, 0)


def _in_background(command: Sequence[str]) -> list[str]:
    return ["sh", "-c", '"$@" &', "sh", *command]
