"""Tells Dagster about runs whose worker is gone without having told the outcome.

The server asks for it when it starts and whenever a worker dies untimely, so such a run is FAILURE within a second; run
monitoring would find most of them later. Only runs that went through the warm launcher are looked at, by their tag. A
run that is being cancelled and has lost its worker is CANCELED: that is what was asked for.
"""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.engine.run_records import Ended, NoRecord, Queued, Running, RunRecords
from shopkart_pipeline.engine.warm_paths import WarmPaths

WORKER_TAG = "shopkart_pipeline/worker"
WORKER_TAG_VALUE = "warm"
_UNFINISHED = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_LAUNCH_TAKES_AT_MOST = timedelta(minutes=3)
_logger = logging.getLogger(__name__)


def report_orphans(instance: DagsterInstance) -> None:
    """Report every unfinished run of this instance whose worker is known to be gone."""
    records = RunRecords(WarmPaths(Path(instance.root_directory)).runs)
    ours = RunsFilter(statuses=_UNFINISHED, tags={WORKER_TAG: WORKER_TAG_VALUE})
    now = SystemClock().now()
    for found in instance.get_run_records(ours):
        why = _why_it_is_orphaned(records, found, now)
        if why:
            _report(instance, found.dagster_run.run_id, why)


def _why_it_is_orphaned(records: RunRecords, found: RunRecord, now: datetime) -> str:
    """Why nobody works for this run; empty when somebody does or may do so soon."""
    match records.read(found.dagster_run.run_id):
        case Queued():
            return ""
        case Running(worker=worker):
            return "" if worker.is_alive() else f"its worker (pid {worker.pid}) is gone"
        case Ended(how=how):
            return how
        case NoRecord(reason):
            # A run is STARTING before the server hears of it; after a while nobody is going to tell the server.
            is_starting = found.dagster_run.status == DagsterRunStatus.STARTING
            return "" if is_starting and now - found.update_timestamp < _LAUNCH_TAKES_AT_MOST else reason


def _report(instance: DagsterInstance, run_id: str, why: str) -> None:
    run = instance.get_run_by_id(run_id)  # Its worker may have reported its end while we looked.
    if run is None or run.is_finished:
        return
    message = f"Nobody works for this run any more: {why}."
    _logger.warning("Run %s: %s", run_id, message)
    instance.report_engine_event(message, run)
    if run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        instance.report_run_failed(run, message)
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
