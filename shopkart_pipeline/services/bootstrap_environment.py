"""What runs before the pipeline does: a service's present version is taken over, once, without gates.

Every pipeline begins beside something that runs already. Taking it over builds the commit that runs, places it in
both environments and says so in the ledger; from then on the only way in is a release. An environment that had a
release of its own before is refused, so this can't be used to get around the gates; one that was taken over a moment
ago, by a run that was killed before it came to the other, is left as it is.
"""

from datetime import timedelta

from shopkart_pipeline.domain.declaration import Deployment, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, ToolRun
from shopkart_pipeline.domain.release import Release, release_key
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.services.build_artifacts import (
    build_application,
    build_image,
    install_dependencies,
)
from shopkart_pipeline.services.drive_rollout import TICK_SECONDS
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import BOOTSTRAP, Placed, current, record_placement
from shopkart_pipeline.services.publish_image import push_image
from shopkart_pipeline.services.recall_workload import keep_workload
from shopkart_pipeline.services.specify_workload import workload_spec


def build_present_version(platform: Platform, service_name: str, sha: str, actor: str) -> tuple[Release, str]:
    """Build and publish commit `sha` of a service; returns its release and the image's digest.

    Raises:
        PipelineError: a step did not work, with its reason.
    """
    service = platform.service(service_name)
    release = _release(platform, service, sha, actor)
    platform.evidence.add_release(release)
    _require(install_dependencies(platform, release, _stage(service, StageKind.DEPENDENCIES)))
    _require(build_application(platform, release, _stage(service, StageKind.APPLICATION)))
    built = _require(build_image(platform, release, _stage(service, StageKind.IMAGE)))
    pushed = push_image(platform, release, built.facts["digest"])
    return release, _require(ToolRun(pushed)).facts["digest"]


def take_over(platform: Platform, release: Release, digest: str) -> tuple[Placed, ...]:
    """Place the present version in every environment that the service is declared for, and wait for it.

    Raises:
        Refused: an environment had a release before.
    """
    service = platform.service(release.service)
    deployments = tuple(service.deployments.values())
    for deployment in deployments:
        there = current(platform, service.name, deployment.environment)
        if there is not None and (there.how, there.release_key, there.digest) != (BOOTSTRAP, release.key, digest):
            raise Refused(f"{service.name} is in {deployment.environment} already.", "Release a change instead.")
    for deployment in deployments:
        spec = workload_spec(platform, service, deployment, release, digest)
        cluster = platform.sites[deployment.environment].cluster
        cluster.apply(deployment.environment, service.name, Track.STABLE, spec)
    return tuple(_placed(platform, service, deployment, release, digest) for deployment in deployments)


def _placed(platform: Platform, service: Service, deployment: Deployment, release: Release, digest: str) -> Placed:
    there = current(platform, service.name, deployment.environment)
    if there is not None:
        return there
    deadline = platform.clock.now() + timedelta(seconds=deployment.deadline_seconds)
    cluster = platform.sites[deployment.environment].cluster
    while platform.clock.now() < deadline:
        stable = cluster.observe(deployment.environment, service.name).stable
        if stable is not None and stable.complete:
            taken = Placed(platform.clock.now(), release.key, digest, release.sha, BOOTSTRAP)
            placed = keep_workload(platform, taken, stable.spec)
            reason = "taken over from before the pipeline"
            record_placement(platform, BOOTSTRAP, service.name, deployment.environment, placed, release.actor, reason)
            return placed
        if stable is not None and stable.failure is not None:
            raise PipelineError(f"{service.name} does not start in {deployment.environment}: {stable.failure}.", "")
        platform.clock.sleep(TICK_SECONDS)
    raise PipelineError(
        f"{service.name} was not ready in {deployment.environment} within {deployment.deadline_seconds:.0f} s.",
        "Look at the logs of its replicas.",
    )


def _release(platform: Platform, service: Service, sha: str, actor: str) -> Release:
    platform.scm.fetch(service.source, sha)
    commit = platform.scm.commit(service.source, sha)
    return Release(
        service=service.name,
        key=release_key(sha, commit.committed_at),
        repository=service.source.repository,
        branch=service.source.branch,
        sha=sha,
        previous_sha=None,
        title=commit.title,
        author=commit.author,
        people=(commit.author.email, commit.committer.email),
        actor=actor,
        delivery_id="bootstrap",
        received_at=platform.clock.now(),
    )


def _stage(service: Service, kind: StageKind) -> Stage:
    return next(stage for stage in service.stages if stage.kind is kind)


def _require(run: ToolRun) -> Evidence:
    if isinstance(run.result, EvidenceMissing):
        raise PipelineError(f"The present version could not be built: {run.result.reason}.", "")
    return run.result
