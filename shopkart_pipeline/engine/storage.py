"""Dagster's SQLite storage with connections that stay open; the files are those of the stock storage.

Any Dagster process may open the same home with the stock classes, and the other way round. What differs is when
connections are made (see `sqlite_engines`), that databases are made once (see `first_open`), and that the writes of
one event, or of a batch of events, are one transaction per database.
"""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from dagster import AssetKey, AssetRecordsFilter, EventLogRecord, EventRecordsResult

# Private: storages are configured by class; their bases are not exported.
from dagster._core.event_api import EventHandlerFn, EventLogCursor
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine

from shopkart_pipeline.engine import event_rows
from shopkart_pipeline.engine.first_open import HomeDatabases, is_stamped
from shopkart_pipeline.engine.live_events import LiveEvents
from shopkart_pipeline.engine.own_materializations import OwnMaterializations
from shopkart_pipeline.engine.sqlite_engines import SqliteEngines

_INDEXED_EVENTS = frozenset({*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS})
_EVENTS = "event_logs"
_HAS_PARTITION = "SELECT 1 FROM dynamic_partitions WHERE partitions_def_name = ? AND partition = ?"
_ADD_PARTITION = "INSERT OR IGNORE INTO dynamic_partitions (partitions_def_name, partition) VALUES (?, ?)"
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
        self._columns: set[str] = set()
        self._migrated: set[str] = set()
        self._own = OwnMaterializations()
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
        row = self._event_to_row(event)
        with self.run_connection(event.run_id) as connection:
            event_rows.insert(connection, _EVENTS, row)
        kind = event.dagster_event.event_type if event.dagster_event else None
        if kind not in _INDEXED_EVENTS:
            return
        with self.index_connection() as connection:
            event_id = event_rows.insert(connection, _EVENTS, row)
            if kind in ASSET_EVENTS:
                self._note_own(event, event_id)
                self._store_asset_event_tags(connection, [event], [event_id])
                event_rows.record_asset_event(connection, event, event_id, row["event"])
            elif kind in ASSET_CHECK_EVENTS:
                event_rows.record_check_event(connection, event, event_id, row["event"])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction per database."""
        for run_id, group in groupby(events, key=lambda event: event.run_id):
            with self.run_connection(run_id), self.index_connection():
                for event in group:
                    self.store_event(event)

    def _note_own(self, event: EventLogEntry, event_id: int) -> None:
        happened = event.dagster_event
        if happened and happened.is_step_materialization and happened.asset_key:
            self._own.note(happened.asset_key, happened.partition, EventLogRecord(event_id, event))

    def own_latest(self, asset_key: AssetKey, partition: str | None) -> EventLogRecord | None:
        """The newest materialization, if this process has written it; see `own_materializations`."""
        with self.index_connection() as connection:
            return self._own.latest(connection, asset_key, partition)

    def fetch_materializations(
        self,
        records_filter: AssetKey | AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        if isinstance(records_filter, AssetRecordsFilter) and limit == 1 and not cursor and not ascending:
            key, [*partitions] = records_filter.asset_key, records_filter.asset_partitions or ()
            if len(partitions) == 1 and records_filter == AssetRecordsFilter(key, asset_partitions=partitions):
                own = self.own_latest(key, partitions[0])
                if own is not None:
                    position = str(EventLogCursor.from_storage_id(own.storage_id))
                    return EventRecordsResult([own], cursor=position, has_more=True)
        return super().fetch_materializations(records_filter, limit, cursor, ascending)

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        with self.index_connection() as connection:
            found = connection.exec_driver_sql(_HAS_PARTITION, (partitions_def_name, partition_key))
            return found.fetchone() is not None

    def add_dynamic_partitions(self, partitions_def_name: str, partition_keys: Sequence[str]) -> None:
        """Of two who add one at once both have added it; the stock storage looks first, and fails for the second."""
        with self.index_connection() as connection:
            for key in partition_keys:
                connection.exec_driver_sql(_ADD_PARTITION, (partitions_def_name, key))

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def has_asset_key_col(self, column_name: str) -> bool:
        if column_name not in self._columns and super().has_asset_key_col(column_name):
            self._columns.add(column_name)
        return column_name in self._columns

    def has_secondary_index(self, name: str) -> bool:
        if name not in self._migrated and super().has_secondary_index(name):
            self._migrated.add(name)
        return name in self._migrated

    def enable_secondary_index(self, name: str) -> None:
        self._migrated.discard(name)
        super().enable_secondary_index(name)

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        self._live.watch(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        self._live.end(run_id, handler)

    def wipe(self) -> None:
        self._engines.close()
        self._migrated.clear()
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
        self._has_statistics = False
        super().__init__(create_db_conn_string(str(path.parent), path.stem))

    @contextmanager
    def connect(self) -> Generator[Connection]:
        with self._engines.get(str(self._path)).connect() as connection, connection.begin():
            yield connection

    def has_run_stats_index_cols(self) -> bool:
        self._has_statistics = self._has_statistics or super().has_run_stats_index_cols()
        return self._has_statistics

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
