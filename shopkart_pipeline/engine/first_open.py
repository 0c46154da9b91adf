"""Makes the databases of an instance home, once, before anybody uses them.

Two processes that open a fresh home at once break it for good ("more than one head"), so whoever comes first makes
everything under a file lock and leaves a marker with Dagster's version; everybody after that opens without asking
Alembic, which alone takes 70 ms. A new version of Dagster looks once more.

A run's event log is a database of its own. An empty one is made here too, to be copied: making it afresh takes 120 ms.
"""

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import dagster
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import create_engine

from shopkart_pipeline.engine.file_lock import file_lock


@dataclass(frozen=True)
class HomeDatabases:
    """Where Dagster keeps its SQLite databases under an instance home."""

    base: Path

    @property
    def runs(self) -> Path:
        return self.base / "history" / "runs.db"

    @property
    def event_logs(self) -> Path:
        return self.base / "history" / "runs"

    @property
    def schedules(self) -> Path:
        return self.base / "schedules" / "schedules.db"

    @property
    def empty_event_log(self) -> Path:
        return self.base / f".empty-event-log-{dagster.__version__}.db"

    @property
    def _marker(self) -> Path:
        return self.base / f".opened-with-{dagster.__version__}"

    def ensure(self) -> None:
        """Make what is missing; safe to call from many processes at once."""
        if self._complete():
            return
        with file_lock(self.base / ".first-open.lock"):
            if self._complete():
                return
            storage = DagsterSqliteStorage.from_local(str(self.base))
            self._make_empty_event_log(storage)
            storage.dispose()
            self._marker.touch()

    def _complete(self) -> bool:
        index = self.event_logs / f"{INDEX_SHARD_NAME}.db"
        needed = (self._marker, self.runs, self.schedules, index, self.empty_event_log)
        return all(path.exists() for path in needed)

    def _make_empty_event_log(self, storage: DagsterSqliteStorage) -> None:
        event_log = storage.event_log_storage
        if not isinstance(event_log, SqliteEventLogStorage):
            raise TypeError("Dagster's SQLite storage keeps its events elsewhere.")
        draft = self.empty_event_log.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        engine = create_engine(f"sqlite:///{draft}")
        event_log._initdb(engine)  # Private: the only thing that makes a run's database. # pyright: ignore[reportPrivateUsage]
        engine.dispose()
        draft.replace(self.empty_event_log)

    def ensure_event_log(self, run_id: str) -> Path:
        """The event log of a run, made if need be from the empty one: there whole or not at all."""
        path = self.event_logs / f"{run_id}.db"
        if not path.exists():
            draft = path.with_name(f".{run_id}.{os.getpid()}")
            shutil.copyfile(self.empty_event_log, draft)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path


def is_stamped(path: Path) -> bool:
    """Whether a database carries an Alembic revision, that is, whether its making was completed."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        try:
            return connection.execute("SELECT version_num FROM alembic_version").fetchone() is not None
        except sqlite3.OperationalError:
            return False
