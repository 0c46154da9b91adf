"""Ends what runs for a pull request that has moved on.

Looks at how the pull request stands and at what runs, not at how it came to be so: of several that launch at once, the
last finds every run that has to end.
"""

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from shopkart_pipeline.defs.keys import PULL_REQUEST_TAG, RELEASE_TAG
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import CANCELLED, reason_to_end
from shopkart_pipeline.services.requests import PullRequestName

_ACTIVE = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


def end_superseded(instance: DagsterInstance, platform: Platform, name: PullRequestName) -> None:
    """Cancel every run of a pull request that is not for its standing head, those that wait included."""
    active = RunsFilter(statuses=_ACTIVE, tags={PULL_REQUEST_TAG: str(name)})
    for run in instance.get_runs(active):
        service, _, key = run.tags.get(RELEASE_TAG, "").partition("@")
        reason = reason_to_end(platform, name, service, key)
        if reason is not None:
            note = Note(
                service, key, platform.clock.now(), CANCELLED, f"run {run.run_id}: {reason}", {"run": run.run_id}
            )
            platform.evidence.note_once(note)
            instance.run_launcher.terminate(run.run_id)
