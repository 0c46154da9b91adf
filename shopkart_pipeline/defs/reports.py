"""The sensor that tells the code host: runs that ended otherwise than by their last stage, then everything that waits.

Stages tell how they stand themselves; only of a run that was cancelled or lost does nobody tell, so ended runs are
looked at here. The cursor is the time up to which they were: one run may be looked at twice, which changes nothing. It
is there only where a code host is declared.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

from datetime import datetime, timedelta

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    ResourceParam,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from shopkart_pipeline.defs.keys import RELEASE_TAG
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.report_progress import run_ended
from shopkart_pipeline.services.send_notices import send_notices

REPORTS = "code_host"
_MOST_RUNS = 200
_FIRST_LOOK = timedelta(days=1)


def build_reports_sensor() -> SensorDefinition:
    """The sensor; one tick sends no longer than Dagster lets a tick take."""

    @sensor(
        name=REPORTS,
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
        description="Tells GitHub how stages, releases and deployments stand.",
    )
    def reports(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        context.update_cursor(_look_at_ended_runs(context.instance, platform, context.cursor))
        return SkipReason("; ".join(send_notices(platform)) or "Nothing is to be told.")

    return reports


def _look_at_ended_runs(instance: DagsterInstance, platform: Platform, cursor: str | None) -> str:
    """Tell of runs that failed or were cancelled since the cursor; returns the next one."""
    since = datetime.fromisoformat(cursor) if cursor else platform.clock.now() - _FIRST_LOOK
    wanted = RunsFilter(statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED], updated_after=since)
    latest = since
    for record in instance.get_run_records(wanted, limit=_MOST_RUNS, order_by="update_timestamp", ascending=True):
        latest = max(latest, record.update_timestamp)
        service, _, key = record.dagster_run.tags.get(RELEASE_TAG, "").partition("@")
        try:
            release = platform.evidence.release(service, key)
        except NotFound:
            continue  # A job without a release, or one whose service is gone.
        cancelled = record.dagster_run.status is DagsterRunStatus.CANCELED
        run_ended(platform, release, record.dagster_run.run_id, cancelled=cancelled)
    return latest.isoformat()
