"""The log port on this machine: what the index has stored, and what stands in the replicas' files beyond that.

Looking changes nothing, so it waits for nobody: what was not indexed yet is read from the files. Where the index can't
be written (a full disk, a lock that is held) nothing is lacking as long as the files are there; where it can't be read,
the answer is `LogsMissing`, because nobody knows what is in it. `keep_up` indexes; replicas know nothing of it.
"""

import time
from collections.abc import Generator
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._log_lines import is_error, newest_matching
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.log_index import LogIndex, Stored
from shopkart_pipeline.adapters.local_cluster.log_pieces import new_pieces
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.telemetry import LogLine, Logs, LogsMissing

KEEP_UP_SECONDS = 20.0
"""Whoever indexes in a sensor's tick has to end before Dagster gives it up."""


class LocalLogs(Logs):
    """The logs of the replicas of one home, those of replicas long gone included.

    Args:
        home: the product's home.
        index: where lines are stored; None: the home's own.
    """

    def __init__(self, home: Path, index: LogIndex | None = None) -> None:
        self._folders = Folders(home)
        self._index = index or LogIndex(home.absolute() / "logs.db")

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        try:
            stored = self._index.errors(f"{environment}/{service}", since, until, limit)
            fresh = self._fresh(environment, service, stored, since)
            wanted = [line for line in fresh if is_error(line) and since <= line.at <= until]
        except (OSError, PipelineError) as error:
            return _missing(error)
        if self._never_wrote(environment, service, stored):
            return LogsMissing(f"{service} has never written a log in {environment}")
        return tuple(sorted([*stored.lines, *wanted], key=lambda line: line.at)[:limit])

    def search(
        self, environment: str, service: str, since: datetime, until: datetime, *, text: str = "", limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        try:
            stored = self._index.search(f"{environment}/{service}", since, until, text, limit)
            lines = [*reversed(stored.lines), *self._fresh(environment, service, stored, since)]
        except (OSError, PipelineError) as error:
            return _missing(error)
        if self._never_wrote(environment, service, stored):
            return LogsMissing(f"{service} has never written a log in {environment}")
        return tuple(newest_matching(lines, since, until, text, limit))

    def keep_up(self, now: datetime) -> tuple[str, ...]:
        said, root, end = list[str](), self._folders.logs, time.monotonic() + KEEP_UP_SECONDS
        try:
            for folder in sorted(each for each in root.glob("*/*") if each.parent.name not in ("jobs", "servers")):
                said += self._index_folder(folder, end)
            self._index.retain(now, end)
        except (OSError, PipelineError) as error:
            said.append(f"logs are not indexed: {_missing(error).reason}")
        return tuple(said)

    def _index_folder(self, folder: Path, end: float) -> Generator[str]:
        name = f"{folder.parent.name}/{folder.name}"
        positions, paths = self._index.positions(name), sorted(folder.glob("*.log"))
        for path in paths:
            for piece in new_pieces(path, positions.get(path.stem)):
                if piece.lost:
                    yield f"{name}/{path.stem}: lines are lost, as the log was cut twice before they were indexed"
                if not self._index.store(name, path.stem, piece.before, piece.after, piece.lines):
                    break  # Somebody else is at it.
                if time.monotonic() > end:
                    yield f"{name}/{path.stem}: there was no time for all of it; it goes on the next time"
                    return
        gone = sorted(positions.keys() - {path.stem for path in paths})
        if gone:
            self._index.forget(name, gone)

    def _fresh(self, environment: str, service: str, stored: Stored, since: datetime) -> Generator[LogLine]:
        """Lines that were not indexed, of files that were written to in the window."""
        for path in sorted(self._folders.logs_of(environment, service).glob("*.log")):
            if path.stat().st_mtime >= since.timestamp():
                for piece in new_pieces(path, stored.positions.get(path.stem)):
                    yield from piece.lines

    def _never_wrote(self, environment: str, service: str, stored: Stored) -> bool:
        return not (stored.positions or stored.lines or self._folders.logs_of(environment, service).is_dir())


def _missing(error: OSError | PipelineError) -> LogsMissing:
    return LogsMissing(f"a log can't be read: {error}" if isinstance(error, OSError) else error.what)
