"""Keeps the Python log records of concurrent steps apart.

While a step computes, Dagster hangs the step's handler on the shared loggers (`dagster`, and those that
`managed_python_loggers` names). With several steps at once every handler would see every step's records, so here a
handler takes those of its own step's thread and those of threads that belong to no step, but never another step's.
What a step logs with `context.log` goes another way and is untouched.
"""

import logging
import threading
from collections.abc import Sequence

from dagster._core.log_manager import (  # Private: Dagster has no public hook between a step and its log.
    DagsterLogHandler,
    DagsterLogManager,
)

_step_of_thread: dict[int, str] = {}


def claim_thread(step_key: str) -> None:
    """Say that the calling thread works for this step from here on."""
    _step_of_thread[threading.get_ident()] = step_key


def release_thread() -> None:
    """Say that the calling thread works for no step any more."""
    _step_of_thread.pop(threading.get_ident(), None)


class _OneStepHandler(logging.Handler):
    def __init__(self, step_key: str, target: DagsterLogHandler) -> None:
        super().__init__()
        self._step_key = step_key
        self._target = target

    def filter(self, record: logging.LogRecord) -> bool:
        owner = _step_of_thread.get(record.thread or 0)
        return owner is None or owner == self._step_key

    def emit(self, record: logging.LogRecord) -> None:
        self._target.handle(record)


class StepLogManager(DagsterLogManager):
    """Dagster's log manager, capturing Python logs for one step only."""

    def __init__(
        self, handler: DagsterLogHandler, level: int, managed_loggers: Sequence[logging.Logger] | None
    ) -> None:
        super().__init__(handler, level, managed_loggers)
        self._shared = _OneStepHandler(self.metadata["step_key"] or "", handler)

    @classmethod
    def of(cls, log: DagsterLogManager) -> "StepLogManager":
        """The manager of a run, made fit for `with_tags` to give managers of single steps."""
        return cls(log._dagster_handler, log.level, log._managed_loggers)

    def with_tags(self, **new_tags: str) -> "StepLogManager":
        return StepLogManager.of(super().with_tags(**new_tags))

    def begin_python_log_capture(self) -> None:
        for logger in self._managed_loggers:
            logger.addHandler(self._shared)

    def end_python_log_capture(self) -> None:
        for logger in self._managed_loggers:
            logger.removeHandler(self._shared)
