"""Manifests and a client for tests of the emulated Kubernetes."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx

from shopkart_pipeline_tests.fakes.kubernetes_server import KubernetesWorld, running_kubernetes
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document

NAMESPACE = "shop"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def a_deployment(name: str = "web", image: str = "shop/web:1", replicas: int = 2, **container: Any) -> Document:
    """One that is ready a second after its process began."""
    probe = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1}
    web = {"name": "web", "image": image, "ports": [{"containerPort": 8080}], "readinessProbe": probe, **container}
    spec: Document = {"replicas": replicas, "progressDeadlineSeconds": 20, "selector": {"matchLabels": {"app": name}}}
    spec["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    pod = {"terminationGracePeriodSeconds": 10, "containers": [web]}
    spec["template"] = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def a_service(name: str = "web", app: str = "web") -> Document:
    spec = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def a_budget(name: str = "web", **spec: Any) -> Document:
    selector = {"matchLabels": {"app": "web"}}
    identity = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}
    return {**identity, "spec": {"selector": selector, **spec}}


class ApiClient(httpx.Client):
    """Speaks to the emulated API as somebody with a token."""

    def apply(self, path: str, document: Document, manager: str = "shopkart", **query: str) -> httpx.Response:
        """Server-side apply."""
        headers = {"Content-Type": "application/apply-patch+yaml"}
        address = f"{path}/{document['metadata']['name']}"
        content = json.dumps(document).encode()
        return self.patch(address, content=content, headers=headers, params={"fieldManager": manager, **query})

    def merge(self, path: str, patch: Document, kind: str = "merge", **query: str) -> httpx.Response:
        """Another kind of patch."""
        headers = {"Content-Type": f"application/{kind}-patch+json"}
        return self.patch(path, content=json.dumps(patch).encode(), headers=headers, params=query)


@contextmanager
def api_of(world: KubernetesWorld, step_seconds: float | None = None) -> Generator[ApiClient]:
    """Serve a world with a namespace for the tests."""
    world.add_namespace(NAMESPACE)
    with running_kubernetes(world, step_seconds) as address:
        headers = {"Authorization": f"Bearer {world.token}", "User-Agent": "tester/1"}
        with ApiClient(base_url=address, headers=headers) as client:
            yield client
