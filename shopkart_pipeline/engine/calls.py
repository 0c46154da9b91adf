"""Functions that the warm server calls in a forked child, as a wake-up.

A call says "look again", so calls for the same function need no queue: while one runs, at most one more is kept, and it
begins after the running one has ended, seeing everything that was there when it was asked for.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from shopkart_pipeline.engine.forking import Child


class Calls:
    """The functions that run now, and those that have to run once more."""

    def __init__(self, fork: Callable[[str], Child]) -> None:
        self._fork = fork
        self._running: dict[str, int] = {}
        self._once_more: set[str] = set()
        self._former: set[int] = set()

    @property
    def running(self) -> list[str]:
        return list(self._running)

    def ask(self, target: str) -> None:
        """Call a function, now or after the call that runs."""
        if target in self._running:
            self._once_more.add(target)
        else:
            self._start(target)

    def reap_former(self, pids: set[int]) -> None:
        """Reap children of the process image that this server has replaced."""
        self._former = pids

    def look_after(self) -> None:
        """Reap calls that have ended, start those that were asked for meanwhile."""
        self._former = {pid for pid in self._former if not _has_ended(pid)}
        for target, pid in list(self._running.items()):
            if not _has_ended(pid):
                continue
            del self._running[target]
            if target in self._once_more:
                self._once_more.discard(target)
                self._start(target)

    def stop(self) -> None:
        """End the calls that run; a wake-up can be missed, because nothing depends on it alone."""
        for pid in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)

    def _start(self, target: str) -> None:
        child = self._fork(target)
        self._running[target] = child.pid
        child.start()


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
