"""Keeps the servers running that a cluster rests on: load balancer and datastores.

Each is found again after the controller died, started anew when it ends, and stopped when the controller is told to.
A server that ends again and again is waited for longer and longer, never given up.
"""

import asyncio
import logging
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shopkart_pipeline.adapters.local_cluster.documents import Codec
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.health import CALM_SECONDS, delay_before_restart_seconds
from shopkart_pipeline.adapters.local_cluster.processes import Daemon, Processes
from shopkart_pipeline.domain.errors import PipelineError

_logger = logging.getLogger(__name__)
_READY_POLL_SECONDS = 0.02


class Server(ABC):
    """One server."""

    name: str
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_seconds: float = 10.0

    @abstractmethod
    async def prepare(self) -> Daemon:
        """Do what must be done before a start, and say what to start.

        Raises:
            PipelineError: it can't be started, in words for the operator.
        """

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether it serves now."""


@dataclass(frozen=True)
class ServerBook:
    """Handle of the process by name of the server."""

    handles: Mapping[str, str] = field(default_factory=dict[str, str])


BOOK = Codec(ServerBook)


class Handles:
    """Which processes serve, noted on disk for the next controller."""

    def __init__(self, folders: Folders) -> None:
        self._path = folders.servers
        self._handles = dict((BOOK.read(self._path) or ServerBook()).handles)

    def get(self, name: str) -> str | None:
        return self._handles.get(name)

    def note(self, name: str, handle: str | None) -> None:
        """Note a process, or that there is none."""
        if handle is None:
            self._handles.pop(name, None)
        else:
            self._handles[name] = handle
        BOOK.write(self._path, ServerBook(self._handles), durable=False)

    def all(self) -> tuple[str, ...]:
        return tuple(self._handles.values())


class Keeper:
    """Keeps one server running.

    Args:
        changed: is called whenever `ready` or `problem` does.
    """

    def __init__(self, server: Server, processes: Processes, handles: Handles, changed: Callable[[], None]) -> None:
        self.server = server
        self.ready = False
        self.problem = "is starting"
        self._processes = processes
        self._handles = handles
        self._changed = changed

    async def keep(self) -> None:
        """Keep it running until this task is cancelled, which leaves it running."""
        crashes = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                problem = await self._once()
            except (PipelineError, OSError) as error:
                problem = str(error)
            calm = asyncio.get_running_loop().time() - began > CALM_SECONDS
            crashes = 1 if calm else crashes + 1
            self._say(False, problem)
            _logger.warning("%s: %s", self.server.name, problem)
            await asyncio.sleep(delay_before_restart_seconds(crashes))

    async def _once(self) -> str:
        name = self.server.name
        handle = self._handles.get(name)
        if handle is None or not self._processes.alive(handle):
            handle = self._processes.start(await self.server.prepare())
            self._handles.note(name, handle)
        watcher = asyncio.create_task(self._watch())
        try:
            code = await self._processes.wait(handle)
        finally:
            watcher.cancel()
        self._handles.note(name, None)
        return f"ended with exit code {code}" if code is not None else "ended"

    async def _watch(self) -> None:
        while not await self.server.is_ready():
            await asyncio.sleep(_READY_POLL_SECONDS)
        self._say(True, "")

    def _say(self, ready: bool, problem: str) -> None:
        self.ready, self.problem = ready, problem
        self._changed()

    async def stop(self) -> None:
        """Stop the server; nobody may keep it meanwhile."""
        handle = self._handles.get(self.server.name)
        if handle is not None:
            await self._processes.stop(handle, self.server.stop_signal, self.server.stop_grace_seconds)
            self._handles.note(self.server.name, None)
        self._say(False, "is stopped")
