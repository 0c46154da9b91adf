"""The pipeline's own stores as one database: SQLite files through SQLite's backup API, other files as they are.

All databases are as they were at one moment, Dagster's among them where it keeps them in SQLite: a delivery that is
done has its runs, and a run that has begun its events. Other files come afterwards: what a database names was there
before it was named. Left out is what can be made again (work, caches, the registry's images, the local cluster and its
logs), and `secrets`, in which the key lies that seals this.

Dagster has a file for the events of each run. Those of runs that are over change no more, and there may be very many,
so only those of runs under way belong to the moment; those of runs that began later are left out.

A copy is one transaction that reads: writers go on beside it, and however much they write, it ends.

The stream is a tar archive. Source: SQLite's documentation, "SQLite Backup API"; `PRAGMA integrity_check`.
"""

import shutil
import sqlite3
import tarfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from shopkart_pipeline.adapters._dagster_files import RunsOnDisk
from shopkart_pipeline.adapters._held_folder import held_folder
from shopkart_pipeline.domain.backup import Contents, Dumped
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.ports.backups import Database, Restored, Sink

RESTORES = "restores.db"
"""A ledger beside the ledger, of who had it restored: that may be before there is one."""
_DATABASES = ("*.db", "evidence/**/*.db", "dagster/**/*.db")
_TRUST = "trust/"
"""Whoever restores is asked who they are first, so it may be there before."""
_FOLDERS = ("evidence", "incidents", "trust")
_NO_FILES = (".db", ".db-wal", ".db-shm", ".lock")
_LEFT_OUT = ("logs.db", RESTORES)
"""The local cluster's, up to half a gigabyte; and who has restored, which is of this machine."""
_ALL_PAGES = -1
"""A copy in several steps begins again whenever somebody has written in between."""
_WAIT_SECONDS = 30.0
_VERSION = f"SQLite {sqlite3.sqlite_version}"


class SqliteFiles(Database):
    """The stores below a home.

    Args:
        home: the pipeline's.
        scratch: a folder for what is on its way.
    """

    def __init__(self, home: Path, scratch: Path) -> None:
        self._home = home
        self._scratch = scratch

    def dump(self, sink: Sink) -> Dumped:
        return self.dump_with(sink)

    def dump_with(self, sink: Sink, others: Callable[[], Sequence[tuple[str, Path]]] | None = None) -> Dumped:
        """As `dump`, with other files besides: name in the archive, and where it is. They are asked for after the
        moment that the databases are of."""
        runs = RunsOnDisk(self._home / "dagster")
        databases = [path for path in self._databases() if not runs.is_of_a_run(path)]
        if not databases and others is None:
            raise ToolUnavailable(f"{self._home} holds no database.", "Is SHOPKART_HOME the pipeline's home?")
        counted = _Counted()
        with (
            _told(),
            held_folder(self._scratch) as folder,
            tarfile.open(mode="w|", fileobj=cast("IO[bytes]", _Writer(sink))) as archive,
        ):
            copy = folder / "copy.db"

            def add(path: Path, connection: sqlite3.Connection) -> None:
                _copy(path, connection, copy)
                name = str(path.relative_to(self._home))
                counted.add_database(copy, name)
                archive.add(copy, name)
                copy.unlink()

            with runs.at_one_moment(databases, _WAIT_SECONDS) as moment:
                more = others() if others is not None else ()
                for path, connection in moment.items():
                    add(path, connection)
                finished = runs.others(moment)
            for path in finished:
                if path.exists():  # Otherwise it is of a run that was deleted meanwhile.
                    with closing(_opened(path)) as connection:
                        add(path, connection)
            for name, path in [*more, *self._plain_files()]:
                try:
                    archive.add(path, name)
                except FileNotFoundError:
                    continue  # It was taken away meanwhile.
                counted.add_file(name)
        return Dumped(counted.contents, _VERSION)

    def _databases(self) -> list[Path]:
        found = (path for pattern in _DATABASES for path in self._home.glob(pattern))
        return sorted(path for path in found if path.name not in _LEFT_OUT)

    def _plain_files(self) -> Iterator[tuple[str, Path]]:
        for folder in _FOLDERS:
            found = (path for path in sorted((self._home / folder).rglob("*")) if _is_plain(path))
            yield from ((str(path.relative_to(self._home)), path) for path in found)

    @contextmanager
    def restored(self, dump: Iterable[bytes], version: str) -> Generator[Restored]:
        del version
        with held_folder(self._scratch) as folder:
            with _told():
                counted = unpack(dump, folder)
            yield Restored(str(folder), counted)

    def bring_back(self, dump: Iterable[bytes], version: str) -> None:
        del version
        self.check_empty()
        with _told(), held_folder(self._scratch) as folder:
            unpack(dump, folder)
            self.take_in(folder)

    def check_empty(self) -> None:
        """Raises `Refused` where this home has stores already."""
        there = [*self._databases(), *(path for name, path in self._plain_files() if not name.startswith(_TRUST))]
        if there:
            raise Refused(
                f"{self._home} is not empty: it has {there[0].relative_to(self._home)}.",
                "Restore into a home where nothing ever ran; move the old one away, but for `secrets` and `trust`.",
            )

    def take_in(self, folder: Path) -> None:
        """Move what was unpacked to its place."""
        for path in _unpacked(folder):
            target = self._home / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def unpack(dump: Iterable[bytes], folder: Path) -> Contents:
    """Everything in a folder, once the stream has come to its end: only then it is known to be whole."""
    counted, source = _Counted(), _Reader(dump)
    with tarfile.open(mode="r|", fileobj=cast("IO[bytes]", source)) as archive:
        _extract(archive, folder)
    source.finish()
    for path in _unpacked(folder):
        name = str(path.relative_to(folder))
        if path.suffix == ".db":
            counted.add_database(path, name)
        else:
            counted.add_file(name)
    return counted.contents


def _unpacked(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Plain files below the folder, and nothing else: `extractall` has its filters in newer Pythons alone."""
    for member in archive:
        path, content = (folder / member.name).resolve(), archive.extractfile(member) if member.isfile() else None
        if content is None or not path.is_relative_to(folder.resolve()):
            raise ToolUnavailable(
                f"The archive holds {member.name!r}, which no backup has.", "Restore an earlier backup."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)


@dataclass
class _Counted:
    """What was seen so far."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    schemas: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def contents(self) -> Contents:
        return Contents(self.rows, digest_of(self.schemas), _VERSION)

    def add_file(self, name: str) -> None:
        """Files are counted by folder, as there may be very many."""
        folder = f"{name.partition('/')[0]}: files"
        self.rows[folder] = self.rows.get(folder, 0) + 1

    def add_database(self, path: Path, name: str) -> None:
        """Raises `sqlite3.Error`, or `ToolUnavailable` for one that is damaged."""
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            [(said,), *more] = connection.execute("PRAGMA integrity_check").fetchall()
            if said != "ok":
                raise ToolUnavailable(
                    f"{name} is damaged: {said} ({len(more) + 1} faults).", "Restore an earlier backup."
                )
            told = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
            schema = [(kind, table, str(text)) for kind, table, text in told.fetchall()]
            self.schemas[name] = sorted(f"{kind} {table} {text}" for kind, table, text in schema)
            for table in (table for kind, table, text in schema if kind == "table" and "VIRTUAL TABLE" not in text):
                quoted = table.replace('"', '""')
                [(count,)] = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchall()  # noqa: S608
                self.rows[f"{name}:{table}"] = count


class _Writer:
    """A file to write to, for tarfile."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, content: bytes) -> int:
        self._sink(bytes(content))
        return len(content)


class _Reader:
    """A file to read from, for tarfile."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._held) < size and (piece := next(self._pieces, None)) is not None:
            self._held += piece
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def finish(self) -> None:
        """Take what comes after the archive's end: only then it is known to be whole."""
        for _ in self._pieces:
            pass


def _is_plain(path: Path) -> bool:
    return path.is_file() and path.name[0] != "." and not path.name.endswith(_NO_FILES)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)


def _copy(path: Path, source: sqlite3.Connection, copy: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS

    def tried(status: int, remaining: int, total: int) -> None:
        del remaining, total
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise ToolUnavailable(f"{path.name} stays locked.", "See which process holds it, and whether that hangs.")

    with closing(sqlite3.connect(copy)) as target:
        source.backup(target, pages=_ALL_PAGES, progress=tried)
        target.execute("PRAGMA journal_mode=DELETE")


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except (sqlite3.Error, tarfile.TarError) as error:
        raise ToolUnavailable(f"The pipeline's stores can't be read: {error}.", "Look at their file.") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ToolUnavailable(
            f"The pipeline's stores can't be copied: {reason}.", "Look at the disk's space."
        ) from error
