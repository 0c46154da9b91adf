"""From what is declared to what a platform is to run: the wanted state of a release in an environment."""

from shopkart_pipeline.domain.declaration import Deployment, Service
from shopkart_pipeline.domain.pod import OwnManifests
from shopkart_pipeline.domain.workload import Probes, WorkloadSpec


def wanted_workload(
    service: Service,
    deployment: Deployment,
    *,
    release_key: str,
    commit: str,
    digest: str,
    own: OwnManifests | None = None,
) -> WorkloadSpec:
    """The wanted state of stable.

    Args:
        service: as declared.
        deployment: the service in the environment.
        release_key: which release it is of.
        commit: the commit of that release.
        digest: the image.
        own: the team's own manifests, if the service brings some: they say how many replicas there are.
    """
    workload = service.workload
    return WorkloadSpec(
        digest=digest,
        release_key=release_key,
        commit=commit,
        replicas=deployment.replicas if own is None else own.replicas,
        command=workload.command,
        variables=workload.variables,
        probes=Probes(
            workload.startup_path,
            workload.readiness_path,
            workload.liveness_path,
            workload.startup_deadline_seconds,
        ),
        metrics_path=workload.metrics_path,
        drain_seconds=workload.drain_seconds,
        pod=workload.pod,
        autoscale=deployment.autoscale if own is None else own.autoscale,
        route=deployment.route,
        own_manifests=None if own is None else own.document,
    )
