"""Requests through the emulated cluster's proxies: none fails where a workload carries what zero downtime needs, and
some fail where it doesn't, which is what makes the counting worth anything."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import httpx
import pytest

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline_tests.fakes.kubernetes_server import Behaviour, KubernetesWorld, Pace
from shopkart_pipeline_tests.fakes.kubernetes_server.network import Load, Network, load_on, running_network
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import DEPLOYMENT, POD
from shopkart_pipeline_tests.kubernetes_objects import (
    DEPLOYMENTS,
    NAMESPACE,
    PODS,
    ApiClient,
    a_budget,
    a_deployment,
    a_service,
    api_of,
)

_SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
_SLEEP = {"preStop": {"sleep": {"seconds": 1}}}


@dataclass
class Cluster:
    """A cluster whose pods listen."""

    world: KubernetesWorld
    api: ApiClient
    network: Network

    def complete(self, name: str = "web") -> bool:
        found = self.world.find(DEPLOYMENT, NAMESPACE, name)
        status, replicas = found["status"], found["spec"]["replicas"]
        counts = [status.get(each, 0) for each in ("replicas", "updatedReplicas", "availableReplicas")]
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        return seen and counts == [replicas] * 3 and not status.get("terminatingReplicas")

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.05)

    def deploy(self, deployment: Document) -> None:
        self.api.apply(DEPLOYMENTS, deployment).raise_for_status()
        self.until(self.complete)


@pytest.fixture
def cluster() -> Generator[Cluster]:
    world = KubernetesWorld(SystemClock(), Pace(proxy_lag=0.25))
    with running_network(world) as network, api_of(world, step_seconds=0.02) as api:
        api.apply(_SERVICES, a_service()).raise_for_status()
        yield Cluster(world, api, network)


def _loaded(cluster: Cluster, change: Callable[[], object]) -> Load:
    cluster.until(lambda: cluster.network.known_endpoints(NAMESPACE, "web") > 0)
    with load_on(cluster.network, cluster.network.service(NAMESPACE, "web")) as load:
        time.sleep(0.3)
        change()
        time.sleep(0.3)
    return load


def test_a_rolling_update_with_prestop_fails_no_request(cluster: Cluster) -> None:
    cluster.deploy(a_deployment(lifecycle=_SLEEP))
    load = _loaded(cluster, lambda: cluster.deploy(a_deployment(image="shop/web:2", lifecycle=_SLEEP)))
    assert load.failures == []
    assert set(load.images) == {"shop/web:1", "shop/web:2"}


def test_without_prestop_the_proxies_are_too_late(cluster: Cluster) -> None:
    cluster.deploy(a_deployment())
    load = _loaded(cluster, lambda: cluster.deploy(a_deployment(image="shop/web:2")))
    assert load.failures
    assert load.sent > len(load.failures)


def test_requests_that_take_longer_than_the_grace_period_are_cut_off(cluster: Cluster) -> None:
    world = cluster.world
    world.behave(Behaviour(latency_seconds=3.0, stop_seconds=None), image="web:1")
    slow = a_deployment(lifecycle=_SLEEP)
    slow["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    cluster.deploy(slow)
    load = _loaded(cluster, lambda: cluster.deploy(a_deployment(image="shop/web:2", lifecycle=_SLEEP)))
    assert load.failures


def test_a_bad_version_fails_its_share_of_requests(cluster: Cluster) -> None:
    cluster.world.behave(Behaviour(status=500), image="web:2")
    cluster.deploy(a_deployment(lifecycle=_SLEEP))
    canary = a_deployment("canary", "shop/web:2", replicas=2)
    labels = {"app": "web", "track": "canary"}
    canary["spec"]["template"]["metadata"]["labels"] = canary["spec"]["selector"]["matchLabels"] = labels
    cluster.api.apply(DEPLOYMENTS, canary).raise_for_status()
    cluster.until(lambda: cluster.complete("canary"))
    cluster.until(lambda: cluster.network.known_endpoints(NAMESPACE, "web") == 4)
    with load_on(cluster.network, cluster.network.service(NAMESPACE, "web"), per_second=100) as load:
        cluster.until(lambda: load.sent > 150)
    assert 0.25 < len(load.failures) / load.sent < 0.75
    assert cluster.network.served["shop/web:2", 500] == len(load.failures)


def test_draining_a_node_within_the_budget_fails_no_request(cluster: Cluster) -> None:
    world, api = cluster.world, cluster.api
    world.add_node("node2")
    cluster.deploy(a_deployment(lifecycle=_SLEEP))
    budgets = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
    api.apply(budgets, a_budget(maxUnavailable=1)).raise_for_status()

    def drain() -> None:
        api.merge("/api/v1/nodes/node1", {"spec": {"unschedulable": True}}).raise_for_status()

        def empty() -> bool:
            here = [pod for pod in world.list(POD, NAMESPACE) if pod["spec"].get("nodeName") == "node1"]
            for pod in here:
                api.post(f"{PODS}/{pod['metadata']['name']}/eviction", json={})
            return not here

        cluster.until(empty)
        cluster.until(cluster.complete)

    assert _loaded(cluster, drain).failures == []


def test_a_gateway_splits_by_weight(cluster: Cluster) -> None:
    for name, image in {"stable": "shop/web:1", "canary": "shop/web:2"}.items():
        cluster.api.apply(_SERVICES, a_service(name, name)).raise_for_status()
        cluster.api.apply(DEPLOYMENTS, a_deployment(name, image, replicas=1)).raise_for_status()
    cluster.until(lambda: cluster.complete("stable") and cluster.complete("canary"))
    routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
    backends = [{"name": "stable", "port": 80, "weight": 90}, {"name": "canary", "port": 80, "weight": 10}]
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"}}
    spec = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": backends}]}
    cluster.api.apply(routes, {**route, "spec": spec}).raise_for_status()
    cluster.until(lambda: cluster.network.known_endpoints(NAMESPACE, "canary") == 1)
    time.sleep(0.3)
    with load_on(cluster.network, cluster.network.gateway(NAMESPACE, "web"), per_second=200) as load:
        cluster.until(lambda: load.sent > 300)
    assert load.failures == []
    assert 0.02 < load.images["shop/web:2"] / load.sent < 0.25


def test_the_api_server_passes_requests_on_to_a_service_and_to_a_pod(cluster: Cluster) -> None:
    cluster.deploy(a_deployment())
    cluster.until(lambda: cluster.api.get(f"{_SERVICES}/web:80/proxy/orders").status_code == 200)
    assert cluster.api.get(f"{_SERVICES}/web:80/proxy/orders").json()["path"] == "/orders"
    pod = cluster.world.list(POD, NAMESPACE)[0]["metadata"]["name"]
    assert cluster.api.get(f"{PODS}/{pod}:8080/proxy/health").json()["pod"] == pod
    assert cluster.api.get(f"{_SERVICES}/web:81/proxy/").status_code == 503


def test_a_pods_address_is_where_it_listens(cluster: Cluster) -> None:
    cluster.deploy(a_deployment())
    address = cluster.world.list(POD, NAMESPACE)[0]["status"]["podIP"]
    assert httpx.get(f"http://{address}:8080/").json()["image"] == "shop/web:1"
