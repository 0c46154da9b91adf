"""Expand an environment's database for a release, before anything of its rollout happens.

A rollout of the same release that goes on already, after a worker's death or backwards, does not wait for it again:
what it left before that rollout began still stands.
"""

from functools import partial

from shopkart_pipeline.domain.declaration import Deployment, Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.drive_rollout import patiently
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.roll_out import to_be_ended
from shopkart_pipeline.services.rollout_document import saved_rollout
from shopkart_pipeline.services.run_migration import leases, migration_lease, run_to_end, told


def expand_database(platform: Platform, release: Release, stage: Stage, digest: str, run_id: str) -> ToolRun:
    """Run the expanding migration of a release.

    Args:
        platform: the ports.
        release: whose migration.
        stage: of a kind in `EXPANDS`.
        digest: the image, exactly as it was admitted.
        run_id: holds the lease.

    Raises:
        Conflict: somebody else held or took the lease.
        ToolUnavailable: the platform did not answer for longer than the deployment's deadline.
    """
    deployment = platform.deployment_of(platform.service(release.service), stage.phase)
    with leases(platform, deployment, [migration_lease(release.service)], run_id) as keep:
        begun = partial(_of_begun_rollout, platform, deployment, release, stage, digest)
        before = patiently(platform, deployment, begun)
        if before is not None:
            return before
        status = run_to_end(platform, deployment, release, stage, digest, keep)
        return told(platform, release, stage, deployment, status)


def _of_begun_rollout(
    platform: Platform, deployment: Deployment, release: Release, stage: Stage, digest: str
) -> ToolRun | None:
    """What the migration left before the rollout that goes on now; None where none does."""
    cluster = platform.sites[deployment.environment].cluster
    saved = saved_rollout(cluster, deployment.environment, release.service)
    record = platform.evidence.latest(release.service, release.key).get(stage.name)
    if saved is None or record is None or not isinstance(record.result, Evidence):
        return None
    plan = saved.state.plan
    if (plan.release_key, plan.digest, record.subject_digest) != (release.key, digest, digest):
        return None
    deploys = StageKind.STAGING if stage.phase is Phase.STAGING else StageKind.PRODUCTION
    rollout = platform.service(release.service).stage_of(deploys)
    goes_on = not saved.concluded or (rollout is not None and to_be_ended(platform, release, rollout) is not None)
    return ToolRun(record.result) if goes_on else None
