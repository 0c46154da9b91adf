"""The version that is in production, started for a while beside the one that is tested in staging.

It is a workload of its own under a name of its own: one replica of the unit that is in production, image and
configuration. What an environment gives to it is staging's, so it is on staging's datastores. Nothing leads there but
its own address.
"""

from dataclasses import replace

from shopkart_pipeline.domain.pod import Route
from shopkart_pipeline.domain.workload import WorkloadSpec


def companion_name(service: str) -> str:
    """What the running version of a service is called beside the new one."""
    return f"{service}-running"


def companion_workload(service: str, running: WorkloadSpec) -> WorkloadSpec:
    """The wanted state of the running version beside the new one.

    Args:
        service: its name.
        running: what it is in production.
    """
    return replace(
        running,
        replicas=1,
        autoscale=None,
        route=Route(),
        pod=replace(running.pod, minimum_ready_seconds=0.0),
        own_manifests=None,
        repository=service,
    )
