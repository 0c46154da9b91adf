"""Processes that outlive whoever started them: start, find again, wait for, stop.

Each one leads a session of its own and is known by its id and its start time, so that an id which the system has
given to somebody else is never taken for it. All carry a mark in their environment: whatever bears this home's mark
and isn't known is a left-over of a controller that died between starting a process and noting it.

Commands that run to their end belong to `adapters/_process.py`; here are only those that nobody waits for.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from shopkart_pipeline.adapters._confinement import IMAGES, entrance, words_of
from shopkart_pipeline.adapters._process import kill_group, scrubbed_environment

MARK = "SHOPKART_CLUSTER_HOME"
_SAME_START_SECONDS = 2.0
"""The system derives start times from the time of its boot, which moves by a second when the clock is adjusted."""
_POLL_SECONDS = 0.1
_KILL_SECONDS = 5.0


@dataclass(frozen=True)
class Daemon:
    """What to start."""

    arguments: Sequence[str]
    cwd: Path
    variables: Mapping[str, str]
    log: Path
    """Gets standard output and error, appended."""
    confined: bool = False
    """Whether it runs the project's code, which is kept away from what the pipeline keeps for itself."""


class Processes:
    """The processes of one home."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._children: dict[int, psutil.Popen] = {}

    def start(self, daemon: Daemon) -> str:
        """Start a process and return the handle by which it is found again, even by another controller."""
        daemon.cwd.mkdir(parents=True, exist_ok=True)
        daemon.log.parent.mkdir(parents=True, exist_ok=True)
        variables = {**daemon.variables, MARK: self._mark}
        inside = entrance(IMAGES) if daemon.confined else None
        with daemon.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            child = psutil.Popen(
                words_of(daemon.arguments, daemon.cwd, inside),
                cwd=daemon.cwd,
                env=scrubbed_environment(variables, network=False, home=daemon.cwd),
                stdin=nothing,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=() if inside is None else inside.descriptors(privileged=False),
            )
        self._children[child.pid] = child
        return f"{child.pid}:{child.create_time():.2f}"

    def alive(self, handle: str) -> bool:
        """Whether the process of that handle still runs."""
        return self._find(handle) is not None

    def _find(self, handle: str) -> psutil.Process | None:
        pid, _, started = handle.partition(":")
        try:
            process = psutil.Process(int(pid))
            if abs(process.create_time() - float(started)) > _SAME_START_SECONDS:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except (psutil.Error, ValueError):
            return None

    async def wait(self, handle: str) -> int | None:
        """Wait for the end of a process.

        Returns:
            Its exit code (negative: the signal that ended it), or None if somebody else started it.
        """
        process = self._find(handle)
        if process is not None:
            async with _exit_of(process.pid) as exited:
                while self.alive(handle):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(exited.wait(), None if exited.reports else _POLL_SECONDS)
        child = self._children.pop(int(handle.partition(":")[0]), None)
        if child is None:
            return None
        code = child.wait()
        # `sweep` may have seen the end first; then the child has to be told that it is over.
        child.poll()
        return code

    async def stop(self, handle: str, number: signal.Signals, grace_seconds: float) -> None:
        """Ask a process to end, and end its whole group by force when the time of grace is over."""
        process = self._find(handle)
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone(handle), grace_seconds)
        kill_group(process.pid)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone(handle), _KILL_SECONDS)

    async def _gone(self, handle: str) -> None:
        while self.alive(handle):
            await asyncio.sleep(0.02)

    def sweep(self, known: Sequence[str]) -> int:
        """End what bears this home's mark but belongs to no known process; returns how many ended.

        Args:
            known: handles; those of containers among them name no process.
        """
        sessions = {int(pid) for pid, separator, _ in (handle.partition(":") for handle in known) if separator}
        strays = [process for process in psutil.process_iter() if self._is_stray(process, sessions)]
        for process in strays:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(strays, timeout=_KILL_SECONDS)
        return len(strays)

    def _is_stray(self, process: psutil.Process, sessions: set[int]) -> bool:
        if process.pid == os.getpid():
            return False
        try:
            marked = process.environ().get(MARK) == self._mark
            return marked and os.getsid(process.pid) not in sessions
        except (psutil.Error, OSError):
            return False


class _Exit(asyncio.Event):
    """Is set when a process ends, if the system reports that."""

    reports = False


@contextlib.asynccontextmanager
async def _exit_of(pid: int) -> AsyncGenerator[_Exit]:
    exited = _Exit()
    try:
        number = os.pidfd_open(pid)
    except (AttributeError, OSError):
        # Not on this system: the caller looks again and again.
        yield exited
        return
    loop = asyncio.get_running_loop()
    exited.reports = True
    loop.add_reader(number, exited.set)
    try:
        yield exited
    finally:
        loop.remove_reader(number)
        os.close(number)
