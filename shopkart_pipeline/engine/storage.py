"""Dagster's SQLite storage with connections that stay open; the files are those of the stock storage.

Any Dagster process may open the same home with the stock classes, and the other way round. What differs is when
connections are made (see `sqlite_engines`), that databases are made once (see `first_open`), and that the writes of
one event, or of a batch of events, are one transaction per database.
"""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

# Private: storages are configured by class; their bases are not exported.
from dagster._core.event_api import EventHandlerFn
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine

from shopkart_pipeline.engine.first_open import HomeDatabases, is_stamped
from shopkart_pipeline.engine.live_events import LiveEvents
from shopkart_pipeline.engine.sqlite_engines import SqliteEngines

_INDEXED_EVENTS = frozenset({*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS})
_OPEN_EVENT_LOGS = 8
_CONNECTIONS = 4


class WarmEventLog(SqliteEventLogStorage):
    """A database per run and an index over all runs, as in the stock storage.

    A connection that is asked for while the same thread holds one to the same database is that one, so nested writes
    join the transaction around them.
    """

    def __init__(self, databases: HomeDatabases) -> None:
        self._databases = databases
        self._engines = SqliteEngines(keep=_OPEN_EVENT_LOGS, connections=1)
        self._index = SqliteEngines(keep=1, connections=1)
        self._live = LiveEvents(self, databases.event_log)
        self._turn = threading.RLock()
        self._held: dict[str, Connection] = {}
        self._tables: set[str] = set()
        self._ready: set[str] = set()
        super().__init__(str(databases.index.parent))

    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection]:
        with self._turn:
            if shard in self._held:
                yield self._held[shard]
                return
            with self._engine(shard).connect() as connection, connection.begin():
                self._held[shard] = connection
                try:
                    yield connection
                finally:
                    del self._held[shard]

    def _engine(self, shard: str) -> Engine:
        path = self.path_for_shard(shard)
        if shard == INDEX_SHARD_NAME:
            return self._index.get(path)
        try:
            engine = self._engines.get(path)
        except FileNotFoundError:
            self._databases.ensure_event_log(shard)
            self._ready.add(shard)
            engine = self._engines.get(path)
        if shard not in self._ready:
            if not is_stamped(Path(path)):
                self._initdb(engine)
            self._ready.add(shard)
        return engine

    def store_event(self, event: EventLogEntry) -> None:
        if event.dagster_event and event.dagster_event.event_type in _INDEXED_EVENTS:
            with self.index_connection():
                super().store_event(event)
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction per database."""
        for run_id, group in groupby(events, key=lambda event: event.run_id):
            with self.run_connection(run_id), self.index_connection():
                for event in group:
                    super().store_event(event)

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @cached_property
    def _has_index_columns(self) -> bool:
        return self.has_asset_key_col("last_materialization_timestamp")

    def _has_asset_key_index_cols_on_connection(self, conn: Connection) -> bool:
        return self._has_index_columns

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        self._live.watch(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        self._live.end(run_id, handler)

    def wipe(self) -> None:
        self._engines.close()
        super().wipe()

    def dispose(self) -> None:
        self._live.close()
        super().dispose()
        self._engines.close()
        self._index.close()


class WarmRuns(SqliteRunStorage):
    """The runs, through connections that stay open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engines = SqliteEngines(keep=1, connections=_CONNECTIONS)
        super().__init__(create_db_conn_string(str(path.parent), path.stem))

    @contextmanager
    def connect(self) -> Generator[Connection]:
        with self._engines.get(str(self._path)).connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._engines.close()


class WarmSchedules(SqliteScheduleStorage):
    """Ticks and instigator states, through connections that stay open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engines = SqliteEngines(keep=1, connections=_CONNECTIONS)
        super().__init__(create_db_conn_string(str(path.parent), path.stem))

    @contextmanager
    def connect(self) -> Generator[Connection]:
        with self._engines.get(str(self._path)).connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._engines.close()


class WarmSqliteStorage(DagsterSqliteStorage):
    """All storages of one instance home."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super(DagsterSqliteStorage, self).__init__()  # The stock constructor would open everything its own way.
        databases = HomeDatabases(Path(base_dir))
        databases.ensure()
        self.base_dir = base_dir
        self._run_storage = WarmRuns(databases.runs)
        self._event_log_storage = WarmEventLog(databases)
        self._schedule_storage = WarmSchedules(databases.schedules)
        self._inst_data = inst_data

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "WarmSqliteStorage":
        return cls(config_value["base_dir"], inst_data=inst_data)
