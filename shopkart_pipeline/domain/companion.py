"""The version that is in production, started for a while beside the one that is tested in staging.

It is a workload of its own under a name of its own: one replica, by digest, with the variables that the service has in
staging, so with staging's datastores, and behind no route but its own address.
"""

from dataclasses import replace

from shopkart_pipeline.domain.declaration import Deployment, Service
from shopkart_pipeline.domain.pod import Route
from shopkart_pipeline.domain.wanted_workload import wanted_workload
from shopkart_pipeline.domain.workload import WorkloadSpec


def companion_name(service: str) -> str:
    """What the running version of a service is called beside the new one."""
    return f"{service}-running"


def companion_workload(
    service: Service, deployment: Deployment, *, release_key: str, commit: str, digest: str
) -> WorkloadSpec:
    """The wanted state of the running version beside the new one.

    Args:
        service: as declared.
        deployment: the service in staging.
        release_key: the release that is in production.
        commit: the commit of that release.
        digest: its image.
    """
    wanted = wanted_workload(service, deployment, release_key=release_key, commit=commit, digest=digest)
    return replace(
        wanted,
        replicas=1,
        autoscale=None,
        route=Route(),
        pod=replace(wanted.pod, minimum_ready_seconds=0.0),
        repository=service.name,
    )
