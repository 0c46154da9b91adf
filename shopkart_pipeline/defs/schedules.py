"""The declared schedules of maintenance jobs: each is called as its job is."""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

from collections.abc import Sequence

from dagster import DefaultScheduleStatus, JobDefinition, ScheduleDefinition
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.domain.declaration import Pipeline


def declared_schedules(
    pipeline: Pipeline, jobs: Sequence[JobDefinition | UnresolvedAssetJobDefinition]
) -> list[ScheduleDefinition]:
    """A schedule for each of these jobs that one is declared for, running."""
    running = DefaultScheduleStatus.RUNNING
    return [
        ScheduleDefinition(name=job.name, job=job, cron_schedule=cron, default_status=running)
        for job in jobs
        if (cron := pipeline.schedules.get(job.name)) is not None
    ]
