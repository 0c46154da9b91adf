"""Dagster's storage in PostgreSQL that outlives a lost connection, a restart of the server, and a failover.

Dagster's own tries for six seconds to connect, gives a statement up whose connection is lost, and waits for ever on a
network that swallows everything. A run that can't tell that a stage is finished is lost with all it did.

| what happens | what is done here |
| --- | --- |
| there is no connection, or it is lost | the whole operation is done again, for two minutes; see `patience` |
| the server may have done it before | an event, a run that is there already is not written twice, but completed |
| the network swallows everything | libpq gives up after some seconds, unless the address says otherwise |

Web interfaces wait for some seconds only, as there are people before them.

Source: PostgreSQL's documentation, "libpq: Parameter Key Words"; SQLAlchemy's, "Dealing with Disconnects".
"""

# The package that the classes here are made from is not where types are checked.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import importlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from dagster import DagsterRun

# Private: storages are configured by class; their bases are not exported.
from dagster._core.errors import DagsterRunAlreadyExists
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import EventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.runs import RunStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.schedules import ScheduleStorage
from dagster._serdes import ConfigurableClassData, serialize_value
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from shopkart_pipeline.engine.patience import Patience, patient

_POSTGRES: Any = importlib.import_module("dagster_postgres")
"""Only the image for Kubernetes has it."""
_WAITING = {
    "connect_timeout": 5,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
"""Limits of libpq for a server or a network that does not answer."""
_IN_WEB_SECONDS = 5.0
_ONCE = frozenset({"create_tick", "add_backfill", "add_historical_run", "watch", "end_watch", "upgrade", "wipe"})
"""What can't be done twice, and what nobody would miss; and what only people ask for."""


class PatientEventLog(_POSTGRES.PostgresEventLogStorage):
    """Events, materializations, checks, partitions, pools."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.patience = Patience()
        super().__init__(*arguments, **named)

    def optimize_for_webserver(self, *arguments: Any, **named: Any) -> None:
        self.patience = Patience(_IN_WEB_SECONDS)
        super().optimize_for_webserver(*arguments, **named)

    def store_event(self, event: EventLogEntry) -> None:
        self.patience.keep_trying(lambda is_again: self._store(event, is_again=is_again))

    def _store(self, event: EventLogEntry, *, is_again: bool) -> None:
        event_id = self._stored_as(event) if is_again else None
        if event_id is None:
            super().store_event(event)
            return
        # As the stock storage goes on after the row itself; all of it may be there already.
        happened = event.dagster_event
        if happened and happened.event_type in ASSET_EVENTS and happened.asset_key:
            self.store_asset_event(event, event_id)
        if happened and happened.event_type in ASSET_CHECK_EVENTS:
            try:
                self.store_asset_check_event(event, event_id)
            except IntegrityError:
                return

    def _stored_as(self, event: EventLogEntry) -> int | None:
        """The id under which an earlier attempt has stored the event, whose answer was lost."""
        table = SqlEventLogStorageTable.c
        same = select(table.id).where(table.run_id == event.run_id, table.event == serialize_value(event))
        with self.run_connection(event.run_id) as connection:
            found = connection.execute(same.limit(1)).fetchone()
        return None if found is None else int(found[0])


class PatientRuns(_POSTGRES.PostgresRunStorage):
    """Runs, tags, snapshots, cursors and heartbeats of daemons."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.patience = Patience()
        super().__init__(*arguments, **named)

    def optimize_for_webserver(self, *arguments: Any, **named: Any) -> None:
        self.patience = Patience(_IN_WEB_SECONDS)
        super().optimize_for_webserver(*arguments, **named)

    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        return self.patience.keep_trying(lambda is_again: self._add(dagster_run, is_again=is_again))

    def _add(self, dagster_run: DagsterRun, *, is_again: bool) -> DagsterRun:
        try:
            return super().add_run(dagster_run)
        except DagsterRunAlreadyExists:
            if not is_again:
                raise
            self._complete_tags(dagster_run.run_id, dagster_run.tags_for_storage())
            return dagster_run

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        self.patience.keep_trying(lambda is_again: self._tag(run_id, new_tags, is_again=is_again))

    def _tag(self, run_id: str, new_tags: Mapping[str, str], *, is_again: bool) -> None:
        super().add_run_tags(run_id, new_tags)
        if is_again:
            self._complete_tags(run_id, new_tags)

    def _complete_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Tags are found by rows of their own, which come after the run's own and without a transaction around both: a
        run without them would be launched once more by the sensor that looks for it."""
        table = RunTagsTable.c
        with self.connect() as connection:
            rows = connection.execute(select(table.key).where(table.run_id == run_id)).fetchall()
            missing = tags.keys() - {key for (key,) in rows}
            if missing:
                values = [{"run_id": run_id, "key": key, "value": tags[key]} for key in sorted(missing)]
                connection.execute(RunTagsTable.insert(), values)


class PatientSchedules(_POSTGRES.PostgresScheduleStorage):
    """Ticks and cursors of sensors and schedules."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.patience = Patience()
        super().__init__(*arguments, **named)

    def optimize_for_webserver(self, *arguments: Any, **named: Any) -> None:
        self.patience = Patience(_IN_WEB_SECONDS)
        super().optimize_for_webserver(*arguments, **named)


def _make_patient(storage: Any, interface: Any, *others: str) -> None:
    """Every operation of the interface is done again where its connection is lost, unless the class does so itself."""
    names: set[str] = {*interface.__abstractmethods__, *others} - {*vars(storage), *_ONCE}
    for name in names:
        if not isinstance(getattr(interface, name, None), property):
            setattr(storage, name, patient(getattr(storage, name)))


_make_patient(PatientEventLog, EventLogStorage, "has_secondary_index", "get_logs_for_run", "get_stats_for_run")
_make_patient(
    PatientRuns, RunStorage, "get_cursor_values", "set_cursor_values", "get_run_storage_id", "has_built_index"
)
_make_patient(PatientSchedules, ScheduleStorage, "get_batch_ticks", "has_built_index")


class PatientPostgresStorage(_POSTGRES.DagsterPostgresStorage):
    """All storages in one database; configured as the stock one is."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: Any = None,
    ) -> None:
        # The stock constructor would make stock storages.
        DagsterStorage.__init__(self)
        self.postgres_url = with_limits(postgres_url)
        self.should_autocreate_tables = should_autocreate_tables
        self._inst_data = inst_data

        def opened(storage: Any) -> Any:
            # A worker may begin while the server is away. Nothing is wrong with opening it twice.
            return Patience().keep_trying(
                lambda _: storage(self.postgres_url, should_autocreate_tables, token_provider=token_provider)
            )

        self._run_storage = opened(PatientRuns)
        self._event_log_storage = opened(PatientEventLog)
        self._schedule_storage = opened(PatientSchedules)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PatientPostgresStorage":
        utils: Any = importlib.import_module("dagster_postgres.utils")
        return cls(
            utils.pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            utils.get_token_provider_from_config(config_value),
        )


def with_limits(address: str) -> str:
    """The address with limits for waiting, where it says none itself."""
    said = make_url(address).query
    missing = {name: value for name, value in _WAITING.items() if name not in said}
    return f"{address}{'&' if '?' in address else '?'}{urlencode(missing)}" if missing else address
