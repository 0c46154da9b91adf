"""Keeps known secrets out of what a process writes: log records with their tracebacks, uncaught errors, and output.

Records are masked as they are made, before any handler of any library sees them. `install` may be called again.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

from shopkart_pipeline.known_secrets import KNOWN

_plain_record = logging.getLogRecordFactory()


class MaskedStream:
    """A text stream; everything but `write` is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(KNOWN.masked(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Mask log records and uncaught errors of this process."""
    logging.setLogRecordFactory(_record)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


@contextmanager
def masked_streams() -> Generator[None]:
    """Mask standard output and standard error meanwhile; what is written as bytes goes through as it is."""
    plain = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = MaskedStream(sys.stdout), MaskedStream(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = plain


def _record(*given: Any, **named: Any) -> logging.LogRecord:
    record = _plain_record(*given, **named)
    try:
        text = record.getMessage()
    except Exception:  # A handler tells of it, as it would without us.
        return record
    if (masked := KNOWN.masked(text)) != text:
        record.msg, record.args = masked, None
    if record.exc_info and record.exc_info[0] is not None:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (masked := KNOWN.masked(text)) != text:
            record.exc_text, record.exc_info = masked, None
    return record


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(KNOWN.masked("".join(traceback.format_exception(kind, error, trace))))


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_type is not SystemExit:
        trace = "".join(traceback.format_exception(given.exc_type, given.exc_value, given.exc_traceback))
        name = given.thread.name if given.thread else "?"
        sys.stderr.write(KNOWN.masked(f"Exception in thread {name}:\n{trace}"))
