"""What a run has materialized itself need not be read back: each step asks for its predecessors, each check for its
asset, and composing those questions takes longer than a stage without work.

A materialization is remembered when it is written, and handed out only while the index knows no newer one of the same
asset (and partition), which is one look into an index; an asset that was ever wiped is asked for as usual.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from dagster import AssetKey, DataVersion, EventLogRecord

# Private: the cache of data versions that every step context has; there is no public way to fill it.
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.execution.context.data_version_cache import DataVersionCache
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.storage.event_log.base import AssetRecord
from sqlalchemy.engine import Connection

_KEPT = 256
_NEWEST = "SELECT MAX(id) FROM event_logs WHERE asset_key = ?1 AND dagster_event_type = 'ASSET_MATERIALIZATION'"
_DETAILS = "SELECT asset_details FROM asset_keys WHERE asset_key = ?1"
_OF_ASSET = f"SELECT ({_NEWEST}), ({_DETAILS})"  # Nothing in it comes from outside.
_OF_PARTITION = f"SELECT ({_NEWEST} AND partition = ?2), ({_DETAILS})"  # Likewise.


class OwnMaterializations:
    """The newest materialization of each asset and partition that this process has written."""

    def __init__(self) -> None:
        self._records: OrderedDict[tuple[str, str | None], EventLogRecord] = OrderedDict()

    def note(self, asset_key: AssetKey, partition: str | None, record: EventLogRecord) -> None:
        """Remember one that is being written."""
        for key in dict.fromkeys(((asset_key.to_string(), partition), (asset_key.to_string(), None))):
            self._records[key] = record
            self._records.move_to_end(key)
        while len(self._records) > _KEPT:
            self._records.popitem(last=False)

    def latest(self, connection: Connection, asset_key: AssetKey, partition: str | None) -> EventLogRecord | None:
        """The newest of an asset, or of one of its partitions; None where it is not known to be this process's own.

        Args:
            connection: to the index over all runs.
            asset_key: the asset.
            partition: the partition, or None for any.
        """
        key = asset_key.to_string()
        record = self._records.get((key, partition))
        if record is None:
            return None
        asked = (_OF_ASSET, (key,)) if partition is None else (_OF_PARTITION, (key, partition))
        newest, details = connection.exec_driver_sql(*asked).one()
        return record if newest == record.storage_id and not details else None


class KnowsOwnMaterializations(Protocol):
    """An event log that remembers what it wrote."""

    def own_latest(self, asset_key: AssetKey, partition: str | None) -> EventLogRecord | None: ...


class RunDataVersions(DataVersionCache):
    """The versions of a step's inputs, without reading back what this run has written."""

    def __init__(self, context: StepExecutionContext, event_log: KnowsOwnMaterializations) -> None:
        super().__init__(context)
        self._event_log = event_log
        self._own: dict[AssetKey, EventLogRecord] = {}

    def _fetch_asset_records(self, asset_keys: Sequence[AssetKey]) -> dict[AssetKey, AssetRecord]:
        found = {key: self._event_log.own_latest(key, None) for key in asset_keys}
        self._own = {key: record for key, record in found.items() if record is not None}
        return super()._fetch_asset_records([key for key in asset_keys if key not in self._own])

    def _get_input_asset_event(self, key: AssetKey, asset_record: AssetRecord | None) -> EventLogRecord | None:
        own = self._own.get(key)
        if own is None:
            return super()._get_input_asset_event(key, asset_record)
        self._check_input_asset_event(key, own)
        return own

    def _get_partitions_data_version_from_keys(self, key: AssetKey, partition_keys: Sequence[str]) -> DataVersion:
        own = self._event_log.own_latest(key, partition_keys[0]) if len(partition_keys) == 1 else None
        version = extract_data_version_from_entry(own.event_log_entry) if own else None
        if version is None:
            return super()._get_partitions_data_version_from_keys(key, partition_keys)
        return DataVersion(hashlib.sha256(version.value.encode()).hexdigest())
