"""Kinds of objects as the API names them, and where they are. Source: Kubernetes, "API Concepts"."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Kind:
    """A kind of object as the API names it."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str, name: str = "", part: str = "") -> str:
        """Address of the kind in a namespace, of one object, or of a part of it such as `log`."""
        steps = [
            root_of(self.api_version),
            "namespaces",
            quote(namespace, safe=""),
            self.plural,
            quote(name, safe=""),
            part,
        ]
        return "/".join(step for step in steps if step)


def root_of(api_version: str) -> str:
    """Where the API of a version begins."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
POD = Kind("v1", "Pod", "pods")
EVENT = Kind("v1", "Event", "events")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
JOB = Kind("batch/v1", "Job", "jobs")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
KINDS = {
    (each.api_version, each.kind): each
    for each in (
        DEPLOYMENT,
        SERVICE,
        CONFIG_MAP,
        BUDGET,
        AUTOSCALER,
        HTTP_ROUTE,
        INGRESS,
        Kind("v1", "ServiceAccount", "serviceaccounts"),
        Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        Kind("external-secrets.io/v1", "ExternalSecret", "externalsecrets"),
    )
}
"""By version and kind: what the pipeline applies itself, so that nobody has to ask for it."""
