"""Commands that read or write more than memory should hold, piece by piece.

The pace is that of the slower side. A command that ends while it is still given something, or that runs out of time,
is told as any other that failed; what the caller's own side raises goes on to the caller, and the command is killed.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

from shopkart_pipeline.adapters._process import Command, Completed, kill_group, piped, was_cancelled
from shopkart_pipeline.known_secrets import masked

_PIECE_BYTES = 1 << 20
_TAIL_BYTES = 4000


def read_from(command: Command, sink: Callable[[bytes], object]) -> Completed:
    """Run a command to its end, and give what it writes to its standard output to `sink`.

    Raises:
        FileNotFoundError: the program does not exist.
    """
    return _piped(command, None, sink)


def write_to(command: Command, source: Iterable[bytes]) -> Completed:
    """Run a command to its end, and give it what `source` gives as standard input.

    Raises:
        FileNotFoundError: the program does not exist.
    """
    return _piped(command, source, None)


def _piped(command: Command, source: Iterable[bytes] | None, sink: Callable[[bytes], object] | None) -> Completed:
    timed_out = threading.Event()
    with (
        tempfile.TemporaryFile() as errors,
        piped(command, reads=source is not None, writes=sink is not None, errors=errors) as process,
    ):

        def expire() -> None:
            timed_out.set()
            kill_group(process.pid)

        watch = threading.Timer(command.timeout_seconds, expire)
        watch.daemon = True
        watch.start()
        try:
            if source is not None and process.stdin is not None:
                # It may have had enough, or ended: its exit code says which.
                with suppress(BrokenPipeError), closing(process.stdin):
                    for piece in source:
                        process.stdin.write(piece)
            if sink is not None and process.stdout is not None:
                with closing(process.stdout):
                    while piece := os.read(process.stdout.fileno(), _PIECE_BYTES):
                        sink(piece)
            process.wait()
        finally:
            watch.cancel()
        end = errors.seek(0, os.SEEK_END)
        # Longer than it will be: a secret that the end cuts in two has to be found first.
        errors.seek(max(0, end - 2 * _TAIL_BYTES))
        tail = masked(errors.read().decode(errors="replace"))[-_TAIL_BYTES:]
        return Completed(process.returncode, b"", tail, timed_out.is_set(), was_cancelled(process.pid))
