"""Reports many observations that belong to no run, each once, in one transaction where the storage can.

In a large repository most services are not affected by most changes, and one event after the other takes seconds.
"""

from collections.abc import Sequence
from pathlib import Path

from dagster import AssetObservation, AssetRecordsFilter, DagsterEvent, DagsterEventType, DagsterInstance

# Private: `report_runless_asset_event` makes the same entries, and stores them one by one.
from dagster._core.events import AssetObservationData
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.engine.file_lock import file_lock

_INFO = 20


def report_once(instance: DagsterInstance, observations: Sequence[AssetObservation]) -> None:
    """Report those observations of which there is none of that asset and partition yet; of several who come with the
    same ones at once, one reports them."""
    if not observations:
        return
    with file_lock(Path(instance.root_directory) / ".observations.lock"):
        if _is_there(instance, observations[-1]):
            return
        begun = _is_there(instance, observations[0])
        missing = [each for each in observations if not (begun and _is_there(instance, each))]
        instance.event_log_storage.store_event_batch([_entry(each) for each in missing])


def _is_there(instance: DagsterInstance, observation: AssetObservation) -> bool:
    partitions = [observation.partition] if observation.partition else None
    wanted = AssetRecordsFilter(observation.asset_key, asset_partitions=partitions)
    return bool(instance.fetch_observations(wanted, limit=1).records)


def _entry(observation: AssetObservation) -> EventLogEntry:
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_OBSERVATION.value,
        event_specific_data=AssetObservationData(observation),
        job_name=RUNLESS_JOB_NAME,
    )
    return EventLogEntry(
        user_message="",
        level=_INFO,
        job_name=RUNLESS_JOB_NAME,
        run_id=RUNLESS_RUN_ID,
        error_info=None,
        timestamp=SystemClock().now().timestamp(),
        step_key=None,
        dagster_event=event,
    )
