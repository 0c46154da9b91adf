"""The version that is in production, started for a while beside what is in staging.

It is a workload of its own under a name of its own: one replica of the unit that is in production, image and
configuration. What an environment gives to it is staging's, so it is on staging's datastores. Nothing leads there but
its own address.
"""

from dataclasses import replace

from shopkart_pipeline.domain.pod import Route
from shopkart_pipeline.domain.workload import WorkloadSpec

_DATABASE_URL = "{database_url}"


def companion_name(service: str) -> str:
    """What the running version of a service is called beside the new one."""
    return f"{service}-running"


def restored_name(service: str) -> str:
    """What it is called on a database that a drill has restored."""
    return f"{service}-recovery"


def on_database(workload: WorkloadSpec, address: str) -> WorkloadSpec:
    """The same on another database than its environment's."""
    variables = {name: text.replace(_DATABASE_URL, address) for name, text in workload.variables.items()}
    return replace(workload, variables=variables)


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
