"""The kinds that are served, and the documents by which clients discover them."""

from dataclasses import dataclass
from typing import Any

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "emulated",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True, eq=False)
class Resource:
    """One kind of object; there is one of each below."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    counts_generations: bool = False
    subresources: tuple[str, ...] = ()
    returns_deleted: bool = False
    """A deletion that is done at once is answered with the object, not with a `Status`."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


POD = Resource("", "v1", "pods", "Pod", True, True, ("status", "log", "eviction", "proxy"), True)
SERVICE = Resource("", "v1", "services", "Service", subresources=("status", "proxy"), returns_deleted=True)
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
SECRET = Resource("", "v1", "secrets", "Secret")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount", returns_deleted=True)
EVENT = Resource("", "v1", "events", "Event")
QUOTA = Resource("", "v1", "resourcequotas", "ResourceQuota", subresources=("status",), returns_deleted=True)
NODE = Resource("", "v1", "nodes", "Node", False, subresources=("status",))
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", False, subresources=("status", "finalize"))
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment", True, True, ("status", "scale"))
REPLICA_SET = Resource("apps", "v1", "replicasets", "ReplicaSet", True, True, ("status", "scale"))
JOB = Resource("batch", "v1", "jobs", "Job", True, True, ("status",))
AUTOSCALER = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, False, ("status",)
)
BUDGET = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, True, ("status",))
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True, True)
INGRESS = Resource("networking.k8s.io", "v1", "ingresses", "Ingress", True, True, ("status",))
LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True, True)
ROUTE = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", True, True, ("status",))
GATEWAY = Resource("gateway.networking.k8s.io", "v1", "gateways", "Gateway", True, True, ("status",))
EXTERNAL_SECRET = Resource("external-secrets.io", "v1", "externalsecrets", "ExternalSecret", True, True, ("status",))
ACCESS_REVIEW = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False)

RESOURCES = (
    *(POD, SERVICE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, EVENT, QUOTA, NODE, NAMESPACE, DEPLOYMENT, REPLICA_SET),
    *(AUTOSCALER, BUDGET, NETWORK_POLICY, INGRESS, LEASE, ENDPOINT_SLICE, ROUTE, GATEWAY, EXTERNAL_SECRET),
    *(JOB, ACCESS_REVIEW),
)


def groups() -> list[tuple[str, str]]:
    """Groups with their versions, without the one that has no name."""
    return sorted({(resource.group, resource.version) for resource in RESOURCES if resource.group})


def discovery(path: str) -> dict[str, Any] | None:
    """The document at a path that is about the API itself; None for another path."""
    if path == "/version":
        return VERSION
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*each) for each in groups()]}
    for group, version in [("", "v1"), *groups()]:
        if path == (f"/apis/{group}/{version}" if group else f"/api/{version}"):
            return _resource_list(group, version)
        if group and path == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
    return _described(path)


def _described(path: str) -> dict[str, Any] | None:
    """The part of OpenAPI by which clients find out that the server validates fields itself."""
    places = {
        f"apis/{group}/{version}" if group else "api/v1": (group, version) for group, version in [("", "v1"), *groups()]
    }
    if path == "/openapi/v3":
        return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}
    place = places.get(path.removeprefix("/openapi/v3/")) if path.startswith("/openapi/v3/") else None
    if place is None:
        return None
    operations = {
        f"/{each.plural}": {
            "patch": {
                "x-kubernetes-group-version-kind": {"group": each.group, "version": each.version, "kind": each.kind},
                "parameters": [{"name": "fieldValidation", "in": "query"}],
                "responses": {},
            }
        }
        for each in RESOURCES
        if (each.group, each.version) == place
    }
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]}, "paths": operations}


def _group(group: str, version: str) -> dict[str, Any]:
    named = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [named], "preferredVersion": named}


def _resource_list(group: str, version: str) -> dict[str, Any]:
    listed: list[dict[str, Any]] = []
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            about = {"singularName": resource.kind.lower(), "namespaced": resource.namespaced, "kind": resource.kind}
            verbs = ["create"] if resource is ACCESS_REVIEW else _VERBS
            listed.append({"name": resource.plural, **about, "verbs": verbs})
            for subresource in resource.subresources:
                verbs = ["get", "patch", "update"]
                listed.append({"name": f"{resource.plural}/{subresource}", **about, "verbs": verbs})
    of = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": of, "resources": listed}
