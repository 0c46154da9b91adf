"""State on disk: one JSON document a file, replaced as a whole, so that a reader never sees half of one.

Who reads, changes and writes a document holds its lock meanwhile; who only reads needs none. A durable write is
on the disk when it returns. Documents about running processes need not be durable: a crash of the machine ends
the processes too.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.domain.errors import ToolUnavailable

T = TypeVar("T")
_LOCK_TIMEOUT_SECONDS = 10.0


class Codec(Generic[T]):
    """Turns a frozen dataclass into JSON and back."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter = TypeAdapter[T](kind)

    def read(self, path: Path) -> T | None:
        """The document at `path`; None where there is none.

        Raises:
            ToolUnavailable: it is there but can't be understood.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self._adapter.validate_json(content)
        except ValidationError as error:
            raise ToolUnavailable(
                f"{path} is damaged ({error.error_count()} faults).",
                "Remove it and apply the release again.",
            ) from error

    def write(self, path: Path, document: T, *, durable: bool) -> None:
        """Replace the document at `path`; its owner alone may read it."""
        content = self._adapter.dump_json(document, indent=1)
        if durable:
            write_atomically(path, content, mode=0o600)
        else:
            replace_file(path, content)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file by rename without waiting for the disk; its owner alone may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(number, "wb") as stream:
        stream.write(content)
    Path(name).replace(path)


@contextlib.contextmanager
def locked(path: Path, timeout_seconds: float = _LOCK_TIMEOUT_SECONDS) -> Generator[None]:
    """Hold the lock file at `path`; the system releases it when its holder dies.

    Raises:
        ToolUnavailable: somebody else holds it for longer than `timeout_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(number, path, time.monotonic() + timeout_seconds)
        yield
    finally:
        os.close(number)


def _take(number: int, path: Path, deadline_seconds: float) -> None:
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_seconds:
                raise ToolUnavailable(f"{path} is locked by another process.", "Wait for it, or stop it.") from None
            time.sleep(0.01)
        else:
            return
