"""Starts again what of a running pipeline has ended by itself, as a kubelet does where there is one.

Whatever dies, dies alone: what the others do goes on, and what was acknowledged is in a store. The first restart comes
after half a second; whoever ends again soon waits longer each time, to half a minute at most, and is never given up: to
stop everything for one would stop the replicas of production, too. Each end and each restart is told.

The engine is left alone while another process serves its home: whoever launches a run starts one where none serves.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from shopkart_pipeline.adapters._process import Background
from shopkart_pipeline.cli.stack import ENGINE, Stack
from shopkart_pipeline.engine.warm_client import WarmClient

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_STEADY_SECONDS = 60.0
"""Who has run for as long begins anew: the next restart comes soon."""


@dataclass
class _Watched:
    started_at: float
    ends: int = 0
    """In a row."""
    due_at: float | None = None
    """When it is started again; None while it runs."""


class Supervision:
    """Looks after the processes of one stack.

    Args:
        stack: whose processes.
        elapsed: gives a monotonic time in seconds.
    """

    def __init__(self, stack: Stack, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._stack = stack
        self._elapsed = elapsed
        self._watched: dict[str, _Watched] = {}

    def look(self) -> list[str]:
        """Start again what is due; returns what has ended or was started, in words."""
        now, said = self._elapsed(), list[str]()
        for process in list(self._stack.processes):
            watched = self._watched.setdefault(process.name, _Watched(now))
            if process.exit_code is None:
                continue
            if watched.due_at is None:
                said.append(self._ended(process, watched, now))
            elif now >= watched.due_at and not self._is_replaced(process):
                said.append(self._begun(process, watched, now))
        return said

    def _begun(self, process: Background, watched: _Watched, now: float) -> str:
        try:
            self._stack.restart(process)
        except OSError as error:  # No memory, no space: that is no reason to stop the others.
            watched.due_at = now + _LONGEST_PAUSE_SECONDS
            return (
                f"{process.name} can't be started: {error.strerror}; it is tried again in {_LONGEST_PAUSE_SECONDS:g} s."
            )
        watched.started_at, watched.due_at = now, None
        return f"{process.name} is started again."

    def _ended(self, process: Background, watched: _Watched, now: float) -> str:
        watched.ends = 1 if now - watched.started_at >= _STEADY_SECONDS else watched.ends + 1
        pause_seconds = min(_FIRST_PAUSE_SECONDS * 2 ** min(watched.ends - 1, 10), _LONGEST_PAUSE_SECONDS)
        watched.due_at = now + pause_seconds
        times = f", {watched.ends} times in a row" if watched.ends > 1 else ""
        how = f"ended with code {process.exit_code}{times}"
        return f"{process.name} {how}; it is started again in {pause_seconds:g} s. See {process.log}."

    def _is_replaced(self, process: Background) -> bool:
        return process.name == ENGINE and WarmClient(self._stack.settings.dagster_home).is_served()
