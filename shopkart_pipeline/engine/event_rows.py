"""Writes an event's rows with statements of its own; the rows are those of Dagster's `SqlEventLogStorage`.

Dagster composes a statement for each row, which takes a hundred times as long as carrying it out, and serializes an
event once for each table that it goes into. Here a statement is a text that is made once, and an event is serialized
once. Dagster's version is pinned, and a test compares every table with what the stock storage writes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from dagster import AssetCheckEvaluation

# Private: the types of Dagster's storage interface.
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from sqlalchemy.engine import Connection

_SAME_CHECK = "asset_key = ? AND check_name = ? AND run_id = ? AND partition IS ?"
Row = Mapping[str, Any]


def insert(connection: Connection, table: str, row: Row) -> int:
    """Add a row; returns its id."""
    return connection.exec_driver_sql(_insertion(table, tuple(row)), _plain(row)).lastrowid


def update(connection: Connection, table: str, row: Row, where: str, *values: object) -> int:
    """Change rows; returns how many."""
    return connection.exec_driver_sql(_change(table, tuple(row), where), (*_plain(row), *values)).rowcount


def record_asset_event(connection: Connection, event: EventLogEntry, event_id: int, serialized: str) -> None:
    """Keep what the newest event of an asset says; a check of an asset says nothing about the asset itself."""
    happened = event.dagster_event
    if happened is None or happened.asset_key is None:
        return
    row: dict[str, Any] = {}
    if happened.is_step_materialization:
        row = {"last_materialization": serialized_record(event_id, serialized), "last_run_id": event.run_id}
    elif happened.is_asset_materialization_planned:
        row = {"last_run_id": event.run_id}
    elif not happened.is_asset_observation:
        return
    row["last_materialization_timestamp"] = datetime.fromtimestamp(event.timestamp, UTC)
    key = happened.asset_key.to_string()
    if not update(connection, "asset_keys", row, "asset_key = ?", key):
        insert(connection, "asset_keys", {"asset_key": key, **row})


def serialized_record(event_id: int, serialized: str) -> str:
    """An `EventLogRecord` in Dagster's serialization, made of the event's own."""
    return f'{{"__class__": "EventLogRecord", "event_log_entry": {serialized}, "storage_id": {event_id}}}'


def record_check_event(connection: Connection, event: EventLogEntry, event_id: int, serialized: str) -> None:
    """Keep that a check is planned, or how it came out."""
    happened = event.dagster_event
    data = happened.event_specific_data if happened else None
    common: dict[str, Any] = {
        "evaluation_event": serialized,
        "evaluation_event_timestamp": datetime.fromtimestamp(event.timestamp, UTC),
        "evaluation_event_storage_id": event_id,
    }
    match data:
        case AssetCheckEvaluationPlanned():
            _plan_check(connection, event, data, common)
        case AssetCheckEvaluation():
            _end_check(connection, event, data, common)
        case _:
            raise TypeError(f"{event.dagster_event_type} is no event of a check")


def _plan_check(
    connection: Connection, event: EventLogEntry, planned: AssetCheckEvaluationPlanned, common: Row
) -> None:
    status = AssetCheckExecutionRecordStatus.PLANNED.value
    name = {"asset_key": planned.asset_key.to_string(), "check_name": planned.check_name}
    subset = planned.partitions_subset
    for partition in subset.get_partition_keys() if subset else [None]:
        row = {**name, "partition": partition, "run_id": event.run_id, "execution_status": status, **common}
        insert(connection, "asset_check_executions", row)


def _end_check(connection: Connection, event: EventLogEntry, found: AssetCheckEvaluation, common: Row) -> None:
    statuses = AssetCheckExecutionRecordStatus
    target = found.target_materialization_data
    row = {
        "execution_status": (statuses.SUCCEEDED if found.passed else statuses.FAILED).value,
        **common,
        "materialization_event_storage_id": target.storage_id if target else None,
        "partition": found.partition,
    }
    name = {"asset_key": found.asset_key.to_string(), "check_name": found.check_name, "run_id": event.run_id}
    updated = 0
    if event.run_id:
        updated = update(connection, "asset_check_executions", row, _SAME_CHECK, *name.values(), found.partition)
    if updated > 1:
        raise RuntimeError(f"The check {found.check_name} of {name['asset_key']} was planned {updated} times.")
    if not updated:
        insert(connection, "asset_check_executions", {**name, **row})


@cache
def _insertion(table: str, columns: tuple[str, ...]) -> str:
    names, places = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 # Names of this module's own.


@cache
def _change(table: str, columns: tuple[str, ...], where: str) -> str:
    changes = ", ".join(f'"{name}" = ?' for name in columns)
    return f"UPDATE {table} SET {changes} WHERE {where}"  # noqa: S608 # Names of this module's own.


def _plain(row: Row) -> tuple[Any, ...]:
    """The values as SQLAlchemy gives them to SQLite: times without zone."""
    return tuple(
        value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value for value in row.values()
    )
