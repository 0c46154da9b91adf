"""What the account of the kubeconfig has to be allowed, in the namespace of the checks alone.

It is asked for before anything begins, so that whoever lacks something is told all of it at once.
`docs/cluster-tests.md` holds the same as a Role.
"""

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi

_ALL = "get list create patch delete"
NEEDED = {
    ("", "pods"): "get list create delete",
    ("", "pods/log"): "get",
    ("", "events"): "list",
    ("", "services"): _ALL,
    ("", "serviceaccounts"): _ALL,
    ("", "configmaps"): f"{_ALL} update",
    ("apps", "deployments"): _ALL,
    ("apps", "replicasets"): "list",
    ("batch", "jobs"): "get list create delete",
    ("batch", "jobs/status"): "get",
    ("autoscaling", "horizontalpodautoscalers"): _ALL,
    ("policy", "poddisruptionbudgets"): "list create patch delete",
    ("networking.k8s.io", "networkpolicies"): "list create patch delete",
    ("discovery.k8s.io", "endpointslices"): "list",
    ("coordination.k8s.io", "leases"): "get list create update delete",
}
"""Verbs by group and resource."""
EVICTION = ("", "pods/eviction")
"""For the drain of a node, which is left out without it."""


def may(api: KubernetesApi, namespace: str, group: str, resource: str, verb: str) -> bool:
    """Whether the cluster would let us; the namespace is empty for what is in none."""
    name, _, part = resource.partition("/")
    attributes = {"namespace": namespace, "group": group, "resource": name, "subresource": part, "verb": verb}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    asked = {**body, "spec": {"resourceAttributes": attributes}}
    review = api._json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}, asked)
    return bool(review["status"].get("allowed"))


def lacking(api: KubernetesApi, namespace: str) -> list[str]:
    """What is needed and not allowed, in words."""
    found: list[str] = []
    for (group, resource), verbs in NEEDED.items():
        refused = [verb for verb in verbs.split() if not may(api, namespace, group, resource, verb)]
        if refused:
            found.append(f"{', '.join(refused)} {resource}{f'.{group}' if group else ''}")
    return found
