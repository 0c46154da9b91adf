"""What a release is to run as in an environment, as it is declared today and scaled as it has to be now."""

from shopkart_pipeline.domain.declaration import Deployment, Phase, Service
from shopkart_pipeline.domain.pod import OwnManifests
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.scale_ahead import scaled_ahead
from shopkart_pipeline.domain.wanted_workload import wanted_workload
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.services.checkout_source import tree
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed


def workload_spec(
    platform: Platform, service: Service, deployment: Deployment, release: Release, digest: str
) -> WorkloadSpec:
    """The wanted state of a release in an environment. Raises `PipelineError` for manifests that can't be applied."""
    own = own_manifests(platform, service, deployment.environment, release)
    now = scaled_ahead(deployment, platform.clock.now())
    return wanted_workload(service, now, release_key=release.key, commit=release.sha, digest=digest, own=own)


def declared_configuration(platform: Platform, release: Release, phase: Phase) -> str:
    """Digest of the configuration that a release is to run with in the environment of a phase. Raises as
    `workload_spec`."""
    service = platform.service(release.service)
    # The image is no part of it.
    return workload_spec(platform, service, platform.deployment_of(service, phase), release, "").configuration


def is_there(platform: Platform, release: Release, placed: Placed) -> bool:
    """Whether what was placed in production is a release with the configuration that is declared today."""
    if placed.release_key != release.key:
        return False
    return placed.configuration in (None, declared_configuration(platform, release, Phase.PRODUCTION))


def own_manifests(platform: Platform, service: Service, environment: str, release: Release) -> OwnManifests | None:
    """The team's own manifests at the release's commit; None where it brings none, or nobody could make use of them."""
    place = platform.pipeline.environments[environment]
    if platform.manifests is None or service.workload.manifests is None or place.platform != "kubernetes":
        return None
    return platform.manifests.read(tree(platform, release), service, place)
