"""Backups: what keeps them, and the databases that they are of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from shopkart_pipeline.domain.backup import BackedUp, Backup, Contents, Dumped, Manifest, Unreadable

Sink = Callable[[bytes], object]
"""Takes what is written, piece by piece."""


@dataclass(frozen=True)
class Restored:
    """A database that came back, for a while."""

    address: str = field(repr=False)
    """Where it is; holds a password of its own."""
    contents: Contents
    """What is in it."""


class Database(ABC):
    """A database that can be written out, and brought back beside itself. Raises `ToolUnavailable`."""

    @abstractmethod
    def dump(self, sink: Sink) -> Dumped:
        """Write all of it out, as it was at one moment, and say what was there at that moment. Memory does not grow
        with its size."""

    @abstractmethod
    @contextmanager
    def restored(self, dump: Iterable[bytes], version: str) -> Generator[Restored]:
        """Bring what was written out back in a place of its own, which is gone afterwards, whatever becomes of the
        caller: what a killed one has left goes with the next. The database itself is not touched.

        Args:
            dump: what `dump` wrote.
            version: as `Contents` told it.
        """

    @abstractmethod
    def bring_back(self, dump: Iterable[bytes], version: str) -> None:
        """Bring what was written out back to where the database itself is: whole, or not at all.

        Args:
            dump: what `dump` wrote; nothing is changed before it has come to its end.
            version: as `Contents` told it.

        Raises:
            Refused: something is there already.
        """


class BackupStore(ABC):
    """Keeps backups so that nobody else can read or change them. Raises `ToolUnavailable` where it does not answer."""

    @abstractmethod
    def write(self, database: BackedUp, now: datetime, dump: Callable[[Sink], Dumped]) -> Manifest:
        """Keep what `dump` writes: whole, or not at all, whatever happens meanwhile."""

    @abstractmethod
    def backups(self, database: str) -> tuple[tuple[Backup, ...], tuple[Unreadable, ...]]:
        """The backups of a database, newest first, and what should be one and can't be used."""

    @abstractmethod
    def read(self, manifest: Manifest) -> Iterator[bytes]:
        """What was written. Raises `ToolUnavailable` as soon as something is not as it was; only the end of the
        iteration says that everything is."""

    @abstractmethod
    def verified(self, manifest: Manifest, at: datetime) -> None:
        """Remember that a drill restored it and found everything."""

    @abstractmethod
    def remove(self, manifest: Manifest) -> None:
        """Let it go; from the first moment on it is not told any more."""

    @abstractmethod
    def sweep(self, before: datetime) -> int:
        """Remove what was begun before that moment and never became a backup; returns how much of it went."""


@dataclass(frozen=True)
class Backups:
    """All that backups need."""

    store: BackupStore
    database: Callable[[BackedUp], Database]
    """Reaches a declared database; that it is not known where that is, is raised when it is used."""
    probe: Callable[[str, str], str | None]
    """Why a service (its address) does not answer a path with 200 and something in it; None where it does."""
