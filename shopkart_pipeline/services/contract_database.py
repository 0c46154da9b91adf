"""Contract the databases that a release has been rolled out on, once it is time.

The release has to have stood in production for the declared time, with no freeze on, and to be all that runs there: no
canary, and no rollout that is not concluded. Then the command is tried on staging's database first, and not before:
until the release is in production, compatibility is tested on staging's data with the version before it. Staging may
have a newer release by then, which has the migration in it; an older one has to leave first.

What is awaited is evidence too: it says until when, holds no run open, and is asked for again (`due_contracts`). The
ledger says that a contraction begins before it does, and both leases of the service are held meanwhile (`contracted`).
"""

from collections.abc import Callable
from datetime import timedelta

from shopkart_pipeline.domain.declaration import Deployment, Phase, Stage
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, ToolRun
from shopkart_pipeline.domain.job import JobPhase
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.contracted import BEGIN_CONTRACT, CONTRACT, is_contracted, record_contract
from shopkart_pipeline.services.drive_rollout import patiently
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.rollout_document import saved_rollout
from shopkart_pipeline.services.run_migration import MIGRATION, leases, migration_lease, run_to_end, told
from shopkart_pipeline.services.weigh_freeze import weigh_freeze


def contract_database(platform: Platform, release: Release, stage: Stage, digest: str, run_id: str) -> ToolRun:
    """Run the contracting migration of a release, in staging and then in production.

    Args:
        platform: the ports.
        release: whose migration.
        stage: of kind contract.
        digest: the image by which the release stands in production.
        run_id: holds the leases.

    Returns:
        Measure: `completed`, which is 0 where it is awaited.

    Raises:
        Conflict: somebody else held or took a lease.
        ToolUnavailable: a platform did not answer for longer than the deployment's deadline.
    """
    staging, production = _places(platform, release)
    due = _not_due(platform, release, production)
    if due is not None:
        return _awaited(due)  # It must not wait for a lease that a rollout may have for hours.
    for deployment in (staging, production):
        with leases(platform, deployment, [migration_lease(release.service), release.service], run_id) as keep:
            ended = _contract(platform, deployment, release, stage, digest, keep)
        if ended is not None:
            return ended
    return ToolRun(Evidence(MIGRATION, f"the databases are contracted for {release.key}", {"completed": 1.0}))


def standing_digest(platform: Platform, release: Release) -> str:
    """The image by which a release stands in production; raises `Refused` where another one does, or none."""
    environment = platform.environment_of(Phase.PRODUCTION).name
    placed = current(platform, release.service, environment)
    if placed is None or placed.release_key != release.key:
        there = f"{release.service}@{placed.release_key}" if placed else "nothing"
        raise Refused(
            f"{release.name} may not contract the database: {there} stands in {environment}.",
            "The release that stands there contracts what is left of earlier ones.",
        )
    return placed.digest


def awaited(platform: Platform, release: Release, digest: str) -> str | None:
    """What the contracting migration of the release that stands in production waits for; None if it may begin."""
    staging, production = _places(platform, release)
    return _awaited_in(platform, production, release, digest) or _awaited_in(platform, staging, release, digest)


def _places(platform: Platform, release: Release) -> tuple[Deployment, Deployment]:
    service = platform.service(release.service)
    return platform.deployment_of(service, Phase.STAGING), platform.deployment_of(service, Phase.PRODUCTION)


def _contract(
    platform: Platform, deployment: Deployment, release: Release, stage: Stage, digest: str, keep: Callable[[], None]
) -> ToolRun | None:
    """Contract in one environment, unless that is done; None where it is done by now."""
    environment, service = deployment.environment, release.service
    standing = current(platform, service, platform.environment_of(Phase.PRODUCTION).name)
    if standing is None or (standing.release_key, standing.digest) != (release.key, digest):
        there = standing.release_key if standing else "nothing"
        return ToolRun(EvidenceMissing(f"{there} stands in production: the database was not contracted", MIGRATION))
    if is_contracted(platform, service, environment, release.key, digest):
        return None
    wait = patiently(platform, deployment, lambda: _awaited_in(platform, deployment, release, digest))
    if wait is not None:
        return _awaited(wait)
    facts = {"commit": release.sha, "command": " ".join(stage.command)}
    record_contract(platform, BEGIN_CONTRACT, service, environment, release.key, digest, facts)
    status = run_to_end(platform, deployment, release, stage, digest, keep)
    if status.phase is not JobPhase.SUCCEEDED:
        return told(platform, release, stage, deployment, status)
    record_contract(platform, CONTRACT, service, environment, release.key, digest, facts)
    return None


def _awaited(what: str) -> ToolRun:
    return ToolRun(Evidence(MIGRATION, f"awaits {what}", {"completed": 0.0}))


def _awaited_in(platform: Platform, deployment: Deployment, release: Release, digest: str) -> str | None:
    if platform.pipeline.environments[deployment.environment].phase is Phase.STAGING:
        return _not_concluded(platform, deployment, release) or _older_one(platform, deployment, release)
    due = _not_due(platform, release, deployment)
    if due is not None:
        return due
    frozen, _ = weigh_freeze(platform, release, deployment, platform.evidence.latest(release.service, release.key))
    held = "; ".join(each.line for each in frozen)
    return held or _not_concluded(platform, deployment, release) or _not_alone(platform, deployment, release, digest)


def _not_due(platform: Platform, release: Release, production: Deployment) -> str | None:
    placed = current(platform, release.service, production.environment)
    if placed is None or placed.release_key != release.key:
        return None
    due = placed.at + timedelta(seconds=production.contract_after_seconds)
    if platform.clock.now() >= due:
        return None
    return f"{due.isoformat(timespec='seconds')}; until then the release before is a way back"


def _not_concluded(platform: Platform, deployment: Deployment, release: Release) -> str | None:
    saved = saved_rollout(platform.sites[deployment.environment].cluster, deployment.environment, release.service)
    if saved is None or saved.concluded:
        return None
    return f"the end of the rollout of {saved.state.plan.release_key} in {deployment.environment}"


def _older_one(platform: Platform, deployment: Deployment, release: Release) -> str | None:
    placed = current(platform, release.service, deployment.environment)
    if placed is None or placed.release_key >= release.key:
        return None
    return f"the end of {placed.release_key} in {deployment.environment}, which is from before the migration"


def _not_alone(platform: Platform, deployment: Deployment, release: Release, digest: str) -> str | None:
    status = platform.sites[deployment.environment].cluster.observe(deployment.environment, release.service)
    if status.canary is not None:
        return "the end of a canary that is still there"
    if status.stable is None or status.stable.spec.digest != digest or not status.stable.complete:
        return f"replicas in {deployment.environment} that do not all run {digest} yet"
    return None
