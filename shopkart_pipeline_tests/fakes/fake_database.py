"""Databases in memory, and backups of them in a folder."""

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

from shopkart_pipeline.adapters.disk_backups import DiskBackups
from shopkart_pipeline.adapters.sealed_backups import SealedBackups
from shopkart_pipeline.domain.backup import Contents, Dumped
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.ports.backups import Backups, Database, Restored, Sink
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock

ADDRESS = "postgresql://recovery@127.0.0.1:1/restored"


class FakeDatabase(Database):
    """One database; a restore takes time, and can be made to lose something.

    Args:
        clock: is advanced by what a restore takes.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.rows: Mapping[str, int] = {"public.orders": 2000, "public.products": 12}
        self.schema = "sha256:schema"
        self.unreachable = False
        self.restore_seconds = 20.0
        self.lost: Mapping[str, int] = {}
        """Rows that a restore does not bring back, by table."""
        self.lost_schema = False
        self.standing = 0
        """How many restored ones are there now."""
        self._clock = clock

    @property
    def contents(self) -> Contents:
        return Contents(dict(self.rows), self.schema, "PostgreSQL 16.4")

    def dump(self, sink: Sink) -> Dumped:
        if self.unreachable:
            raise ToolUnavailable("The database does not answer.", "Start it.")
        sink(json.dumps([dict(self.rows), self.schema]).encode())
        return Dumped(self.contents, "pg_dump 16.4")

    @contextmanager
    def restored(self, dump: Iterable[bytes], version: str) -> Generator[Restored]:
        rows, schema = json.loads(b"".join(dump))
        self._clock.advance(self.restore_seconds)
        found = {table: count - self.lost.get(table, 0) for table, count in rows.items()}
        self.standing += 1
        try:
            yield Restored(ADDRESS, Contents(found, "sha256:other" if self.lost_schema else schema, version))
        finally:
            self.standing -= 1

    def bring_back(self, dump: Iterable[bytes], version: str) -> None:
        del version
        if self.rows:
            raise Refused("The database is not empty.", "Restore into another one.")
        self.rows, self.schema = json.loads(b"".join(dump))


class BackupWorld:
    """Backups of one database below a folder."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.database = FakeDatabase(clock)
        self.key = bytes(range(32))
        self.folder = folder
        self.blobs = DiskBackups(folder)
        self.answers: dict[str, str] = {}
        """Why a path is not answered, by path; what isn't named is answered."""
        self.asked: list[tuple[str, str]] = []

    @property
    def backups(self) -> Backups:
        store = SealedBackups(self.blobs, lambda: self.key)
        return Backups(store, lambda _: self.database, self._probe)

    def _probe(self, url: str, path: str) -> str | None:
        self.asked.append((url, path))
        return self.answers.get(path)
