"""What a step's pod writes, into the stage's log as it comes: line by line, without secrets that are known, and not
without end. A connection that breaks is made anew, and the log says that something may be missing."""

import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.known_secrets import masked

_LIMIT_BYTES = 16 * 1024 * 1024
_LINE_BYTES = 64 * 1024
_TAIL_CHARACTERS = 4000
_AGAIN_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 3600.0


class PodOutput:
    """Follows one pod in a thread of its own."""

    def __init__(self, log: Path) -> None:
        self._log, self._left_bytes = log, _LIMIT_BYTES
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.tail = ""

    def follow(self, core: Any, namespace: str, pod: str) -> None:
        """Begin, unless that was done already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, args=(core, namespace, pod), daemon=True)
            self._thread.start()

    def finish(self, seconds: float) -> None:
        """The pod has ended: take what is still on its way, at most for so long."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _follow(self, core: Any, namespace: str, pod: str) -> None:
        tail: dict[str, int] = {}
        while True:
            over = self._over.is_set()
            try:
                stream = core.read_namespaced_pod_log(
                    pod,
                    namespace,
                    follow=True,
                    _preload_content=False,
                    _request_timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS),
                    **tail,
                )
                self._take(stream.stream(4096))
                tail = {"tail_lines": 0}
            except Exception as error:
                self._write(f"[The output of the pod can't be read: {type(error).__name__}.]\n")
            if over or self._left_bytes <= 0 or self._over.wait(_AGAIN_SECONDS):
                return

    def _take(self, pieces: Iterable[bytes]) -> None:
        rest = b""
        for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._write(line.decode(errors="replace") + "\n")
            if self._left_bytes <= 0:
                self._write("[Further output is left out.]\n", beyond=True)
                return
        if rest:
            self._write(rest.decode(errors="replace"))

    def _write(self, text: str, *, beyond: bool = False) -> None:
        if self._left_bytes <= 0 and not beyond:
            return
        text = masked(text)
        self._left_bytes -= len(text)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a", encoding="utf-8", errors="replace") as log:
            log.write(text)
        self.tail = (self.tail + plain(text))[-_TAIL_CHARACTERS:]
        sys.stdout.write(text)
