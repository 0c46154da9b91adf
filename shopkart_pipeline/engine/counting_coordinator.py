"""The run coordinator of a pipeline on Kubernetes: runs wait in Dagster's queue, by the rules of `places`.

Dagster's queue limits either all runs or those with a tag, and a rollback must never wait for a place. So there is no
limit over all runs; every run that waits for a place gets a tag here, and that tag is what is limited. Runs of one
queue (tag `shopkart/queue`) run one after another by a limit of one for each of its values; its service and the
environment that it changes are written into tags of their own, which a rollback does not get.

The daemon looks into the queue every few seconds, so a run starts that much later than on one machine.
"""

from dagster import DagsterRun, DagsterRunStatus
from dagster._core.run_coordinator.base import SubmitRunContext

# Private: the queue's own coordinator is exported under `dagster._core` alone.
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

from shopkart_pipeline.engine.places import ENVIRONMENT_TAG, GROUP_TAG, NO_LIMIT, SERVICE_TAG

COUNTED_TAG = "shopkart/counted"
"""On every run that waits for a place."""
_COUNTED_BY = {SERVICE_TAG: f"{COUNTED_TAG}_service", ENVIRONMENT_TAG: f"{COUNTED_TAG}_environment"}


class CountingRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, in which runs without a limit take no place."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        run = context.dagster_run
        if run.status == DagsterRunStatus.NOT_STARTED and run.tags.get(GROUP_TAG) != NO_LIMIT:
            counted = {own: run.tags[said] for said, own in _COUNTED_BY.items() if run.tags.get(said)}
            self._instance.add_run_tags(run.run_id, {COUNTED_TAG: "yes", **counted})
        return super().submit_run(context)
