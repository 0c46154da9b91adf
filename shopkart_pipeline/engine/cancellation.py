"""How everything that a run has started learns that the run is being cancelled.

A run has a process of its own, so the signal is one per process. Whoever starts something that would outlive its
thread (a child process, a lease) registers once, at import, what stops it; adapters offer such a function and
`definitions` registers it, because adapters must not know the engine. The executor calls the registered functions
again and again until its threads have ended: what was started between two calls is stopped by the next, so a
callback must return at once and bear being called when there is nothing to stop.

Steps that wait in Python ask `is_cancelled` or sleep with `wait`; telling threads that do neither is the executor's
affair.
"""

import logging
import threading
from collections.abc import Callable

_logger = logging.getLogger(__name__)
_cancelled = threading.Event()
_callbacks: list[Callable[[], None]] = []


def on_cancel(callback: Callable[[], None]) -> Callable[[], None]:
    """Have `callback` called, possibly several times, when the run of this process is cancelled.

    Returns:
        A function that takes the registration back.
    """
    _callbacks.append(callback)

    def unregister() -> None:
        if callback in _callbacks:
            _callbacks.remove(callback)

    return unregister


def is_cancelled() -> bool:
    """Whether the run of this process is being cancelled."""
    return _cancelled.is_set()


def wait(seconds: float) -> bool:
    """Sleep for `seconds`, or until the run is cancelled. Returns whether it is cancelled."""
    return _cancelled.wait(seconds)


def cancel() -> None:
    """Say that the run is cancelled and call everything registered; one failing callback does not spare the rest."""
    _cancelled.set()
    for callback in tuple(_callbacks):  # A callback may unregister itself.
        try:
            callback()
        except Exception:
            _logger.exception("A cancellation callback failed: %s", callback)


def reset() -> None:
    """Forget an earlier cancellation: the process begins another run (in tests; a run's worker has only one)."""
    _cancelled.clear()
