"""Tells about the events of a run as they are written, which is how the webserver shows a run live.

Dagster's SQLite storage looks at a run's database file, which changes when a writer closes its connection. Here writers
keep their connections, and what changes is the write-ahead log beside the file, so both are looked at.
"""

import logging
from collections.abc import Callable
from pathlib import Path

# Private: the types of Dagster's storage interface.
from dagster._core.event_api import EventHandlerFn, EventLogCursor
from dagster._core.storage.event_log.base import EventLogStorage
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

_CLOSE_SECONDS = 15
_logger = logging.getLogger(__name__)


class LiveEvents:
    """The watchers of one event log storage; the thread that looks is started by the first of them."""

    def __init__(self, storage: EventLogStorage, path_of: Callable[[str], Path]) -> None:
        self._storage = storage
        self._path_of = path_of
        self._observer: BaseObserver | None = None
        self._watchers: dict[tuple[str, EventHandlerFn], tuple[_Watcher, ObservedWatch]] = {}

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call back for each event of a run after `cursor`, from when the next one is written."""
        if self._observer is None:
            self._observer = Observer()
            self._observer.start()
        path = self._path_of(run_id)
        watcher = _Watcher(self._storage, run_id, path, cursor, callback)
        watched = self._observer.schedule(watcher, str(path.parent))
        self._watchers[run_id, callback] = (watcher, watched)

    def end(self, run_id: str, callback: EventHandlerFn) -> None:
        """Stop calling back; for who does not watch it is no error."""
        found = self._watchers.pop((run_id, callback), None)
        if found and self._observer:
            self._observer.remove_handler_for_watch(*found)

    def close(self) -> None:
        """Stop looking."""
        if self._observer:
            self._observer.stop()
            self._observer.join(_CLOSE_SECONDS)
            self._observer = None


class _Watcher(FileSystemEventHandler):
    def __init__(
        self, storage: EventLogStorage, run_id: str, path: Path, cursor: str | None, callback: EventHandlerFn
    ) -> None:
        self._storage = storage
        self._run_id = run_id
        self._files = {str(path), f"{path}-wal"}
        self._cursor = cursor
        self._callback = callback

    def on_modified(self, event: FileSystemEvent) -> None:
        if event.src_path not in self._files:
            return
        found = self._storage.get_records_for_run(self._run_id, self._cursor)
        self._cursor = found.cursor or self._cursor
        for record in found.records:
            try:
                self._callback(record.event_log_entry, str(EventLogCursor.from_storage_id(record.storage_id)))
            except Exception:
                _logger.exception("A watcher of run %s failed", self._run_id)
