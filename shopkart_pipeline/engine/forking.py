"""Makes children of the warm server by fork: each in a session of its own, with its output in a file.

A child gets nothing of the server but its memory: `in_child` closes what the server has open, signals have their
default meaning again, and the child ends without running the server's exit handlers. It begins its work only when the
server has said so, after putting it on record; if the server dies before that, the child ends without a trace.
"""

import contextlib
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NEVER_STARTED = 75
"""Exit code of a child whose server died before it let the child start."""
_HANDLED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_DEFAULT_SIGNALS = (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1)


@dataclass(frozen=True)
class Child:
    """A forked child that waits for its start."""

    pid: int
    _start_pipe: int

    def start(self) -> None:
        """Let it work; it must be on record by now."""
        with contextlib.suppress(BrokenPipeError):  # It was killed before it began; that is seen when it is reaped.
            os.write(self._start_pipe, b"!")
        os.close(self._start_pipe)


def fork_child(body: Callable[[], int], log: Path, in_child: Callable[[], None]) -> Child:
    """Fork a child that calls `body` and ends with the exit code that it returns.

    Args:
        body: the child's work.
        log: gets the child's standard output and error, at the end of what it holds.
        in_child: closes what the child must not share with the server.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    wait_pipe, start_pipe = os.pipe()
    # A signal between the fork and the reset would be taken by the server's handler, in the child, and lost.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED_SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(wait_pipe)
        return Child(pid, start_pipe)
    code = 1
    try:
        os.close(start_pipe)
        os.setsid()
        _reset_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        in_child()
        _redirect(log)
        code = body() if os.read(wait_pipe, 1) else NEVER_STARTED
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def freeze() -> None:
    """Put everything that lives now out of the garbage collector's sight, so that children share its memory."""
    gc.collect()
    gc.freeze()


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in _DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    os.close(nothing)
    os.close(output)
