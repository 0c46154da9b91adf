"""What a process writes to a pipe, kept in memory up to what a report may hold."""

import os
import threading
import time
from collections.abc import Callable
from typing import IO

from shopkart_pipeline.adapters._report_limits import MAXIMUM_REPORT_BYTES

_PIECE_BYTES = 1 << 16


class CapturedOutput:
    """What a process writes to its standard output, read as it comes, up to what a report may hold."""

    def __init__(self, pipe: IO[bytes], kill: Callable[[], None]) -> None:
        """
        Args:
            pipe: to read, and to close.
            kill: ends whoever writes.
        """
        self._pipe, self._kill = pipe, kill
        self._pieces: list[bytes] = []
        self.overflowed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def content(self) -> bytes:
        return b"" if self.overflowed else b"".join(self._pieces)

    def ends_by(self, deadline: float) -> bool:
        """Wait for its end. Something in a session of its own may hold the pipe for longer: that is not waited for."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _read(self) -> None:
        size_bytes = 0
        with self._pipe as pipe:
            while piece := os.read(pipe.fileno(), _PIECE_BYTES):
                size_bytes += len(piece)
                if size_bytes > MAXIMUM_REPORT_BYTES:
                    self.overflowed = True
                    self._pieces.clear()
                    self._kill()
                    return
                self._pieces.append(piece)
