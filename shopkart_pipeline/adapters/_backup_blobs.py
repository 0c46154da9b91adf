"""Named pieces of a backup on some storage: there whole, or not at all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime


class Blobs(ABC):
    """Raises `ToolUnavailable` where the storage does not do what it should, `NotFound` for what is not there."""

    place: str
    """Where it is, for people."""

    @abstractmethod
    @contextmanager
    def writing(self, name: str) -> Generator[Callable[[bytes], object]]:
        """Gives what takes the content; under its name it is there when the block has ended without an error."""

    @abstractmethod
    def reading(self, name: str) -> Iterator[bytes]:
        """The content."""

    @abstractmethod
    def names(self, folder: str) -> tuple[str, ...]:
        """All names below a folder, or below none (empty), sorted."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Take it away; what is gone already is no error."""

    @abstractmethod
    def sweep(self, before: datetime) -> int:
        """Remove unfinished writing that began before that moment; returns how many."""

    def put(self, name: str, content: bytes) -> None:
        """Keep something small."""
        with self.writing(name) as write:
            write(content)

    def get(self, name: str) -> bytes:
        """Something small."""
        return b"".join(self.reading(name))
