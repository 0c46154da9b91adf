"""Makes the databases of an instance home, once, before anybody uses them.

Two processes that open a fresh home at once break it for good ("more than one head"), so whoever comes first makes
everything under a file lock and leaves a marker with Dagster's version; everybody after that opens without asking
Alembic, which alone takes 70 ms. A new version of Dagster looks once more.

The databases are made by Dagster in a folder beside, as patterns, and copied from there: into the home, for each run
its event log (making one afresh takes 120 ms), and for the rehearsal of the warm server.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

import dagster
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import create_engine

from shopkart_pipeline.engine.file_lock import file_lock

_PATTERN_RUN = "pattern"


@dataclass(frozen=True)
class HomeDatabases:
    """Where Dagster keeps its SQLite databases under an instance home."""

    base: Path

    @property
    def runs(self) -> Path:
        return self.base / "history" / "runs.db"

    @property
    def schedules(self) -> Path:
        return self.base / "schedules" / "schedules.db"

    def event_log(self, run_id: str) -> Path:
        return self.base / "history" / "runs" / f"{run_id}.db"

    @property
    def index(self) -> Path:
        """What is to be found over the event logs of all runs."""
        return self.event_log(INDEX_SHARD_NAME)

    @property
    def patterns(self) -> "HomeDatabases":
        """Empty databases; there whole or not at all."""
        return HomeDatabases(self.base / f".empty-databases-{dagster.__version__}")

    @property
    def _marker(self) -> Path:
        return self.base / f".opened-with-{dagster.__version__}"

    def ensure(self) -> None:
        """Make what is missing; safe to call from many processes at once."""
        if self._is_complete():
            return
        with file_lock(self.base / ".first-open.lock"):
            if self._is_complete():
                return
            if not self.patterns.base.exists():
                _make_patterns(self.patterns.base)
            for path, pattern in self._pairs():
                if not path.exists():
                    _copy(pattern, path)
            DagsterSqliteStorage.from_local(str(self.base)).dispose()  # Looks at databases that were there before.
            self._marker.touch()

    def ensure_event_log(self, run_id: str) -> None:
        """Make the event log of a run if need be."""
        path = self.event_log(run_id)
        if path.exists():
            return
        with file_lock(self.base / ".event-logs.lock"):
            if not path.exists():
                # SQLite would replay the write-ahead log of a database that somebody deleted.
                path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
                path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
                _copy(self.patterns.event_log(_PATTERN_RUN), path)

    def _is_complete(self) -> bool:
        return self._marker.exists() and all(path.exists() and pattern.exists() for path, pattern in self._pairs())

    def _pairs(self) -> list[tuple[Path, Path]]:
        pairs = [(self.runs, self.patterns.runs), (self.schedules, self.patterns.schedules)]
        return [*pairs, (self.index, self.patterns.index)]


def _make_patterns(folder: Path) -> None:
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    storage = DagsterSqliteStorage.from_local(str(draft))
    event_logs = storage.event_log_storage
    if not isinstance(event_logs, SqliteEventLogStorage):
        raise TypeError("Dagster's SQLite storage keeps its events elsewhere.")
    engine = create_engine(f"sqlite:///{HomeDatabases(draft).event_log(_PATTERN_RUN)}")
    # Private: nothing else makes a run's database without events in it.
    event_logs._initdb(engine)  # pyright: ignore[reportPrivateUsage]
    engine.dispose()
    storage.dispose()
    draft.rename(folder)


def _copy(pattern: Path, path: Path) -> None:
    """Put a copy in place, whole, unless somebody else was quicker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    shutil.copyfile(pattern, draft)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    Path(draft).unlink()


def is_stamped(path: Path) -> bool:
    """Whether a database carries an Alembic revision, that is, whether its making was completed."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        try:
            return connection.execute("SELECT version_num FROM alembic_version").fetchone() is not None
        except sqlite3.OperationalError:
            return False
