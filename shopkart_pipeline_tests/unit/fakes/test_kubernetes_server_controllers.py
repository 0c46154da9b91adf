"""The emulated controllers, stepped by hand: what no recording shows."""

import itertools
from collections.abc import Callable, Generator
from datetime import UTC, datetime

import pytest

from shopkart_pipeline.adapters.kubernetes.manifests import render
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.fakes.kubernetes_server import Behaviour, KubernetesWorld, Pace, step
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    NODE,
    POD,
    REPLICA_SET,
    RESOURCES,
)
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
from shopkart_pipeline_tests.rendered_manifests import PLACE, WORKLOADS

_SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
_BUDGETS = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"


@pytest.fixture
def world() -> KubernetesWorld:
    return KubernetesWorld(FixedClock(datetime(2026, 3, 1, 12, tzinfo=UTC)))


@pytest.fixture
def api(world: KubernetesWorld) -> Generator[ApiClient]:
    with api_of(world) as client:
        yield client


def _pass(world: KubernetesWorld, seconds: float, look: Callable[[], object] = lambda: None) -> None:
    """Let time pass in tenths of a second, looking after each."""
    for _ in range(round(seconds * 10)):
        world.clock.sleep(0.1)
        step(world)
        look()


def _status(world: KubernetesWorld) -> Document:
    return world.find(DEPLOYMENT, NAMESPACE, "web")["status"]


def _condition(world: KubernetesWorld, kind: str) -> tuple[str, str]:
    found = next(each for each in _status(world)["conditions"] if each["type"] == kind)
    return found["status"], found["reason"]


def _running(world: KubernetesWorld) -> list[Document]:
    return [pod for pod in world.list(POD, NAMESPACE) if "deletionTimestamp" not in pod["metadata"]]


def _reasons(world: KubernetesWorld) -> set[str]:
    return {event["reason"] for event in world.list(EVENT, NAMESPACE)}


@pytest.mark.parametrize(("surge", "unavailable", "most", "fewest"), [(1, 0, 5, 4), ("50%", "25%", 6, 3), (0, 1, 4, 3)])
def test_a_rolling_update_keeps_to_surge_and_unavailable(
    world: KubernetesWorld, api: ApiClient, surge: int | str, unavailable: int | str, most: int, fewest: int
) -> None:
    deployment = a_deployment(replicas=4)
    deployment["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": surge, "maxUnavailable": unavailable}
    api.apply(DEPLOYMENTS, deployment)
    _pass(world, 2)
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2"
    api.apply(DEPLOYMENTS, deployment)
    seen: list[tuple[int, int]] = []
    _pass(world, 10, lambda: seen.append((_status(world)["replicas"], _status(world)["availableReplicas"])))
    assert (max(total for total, _ in seen), min(available for _, available in seen)) == (most, fewest)
    assert _condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert {pod["spec"]["containers"][0]["image"] for pod in world.list(POD, NAMESPACE)} == {"shop/web:2"}


def test_a_version_that_never_gets_ready_leaves_the_old_one_and_passes_its_deadline(
    world: KubernetesWorld, api: ApiClient
) -> None:
    api.apply(DEPLOYMENTS, a_deployment())
    _pass(world, 2)
    world.behave(Behaviour(ready=False), image="web:2")
    api.apply(DEPLOYMENTS, a_deployment(image="shop/web:2"))
    _pass(world, 25)
    assert (_status(world)["readyReplicas"], _status(world)["updatedReplicas"]) == (2, 1)
    assert _condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")
    assert "Unhealthy" in _reasons(world)


def test_a_crash_loop_backs_off_longer_and_longer(world: KubernetesWorld, api: ApiClient) -> None:
    world.behave(Behaviour(exit_code=1), image="web")
    api.apply(DEPLOYMENTS, a_deployment(replicas=1))
    restarts: list[int] = []

    def look() -> None:
        pods = [pod for pod in world.list(POD, NAMESPACE) if "containerStatuses" in pod["status"]]
        restarts.extend(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods)

    _pass(world, 80, look)
    began = [restarts.index(number) / 10 for number in range(1, 5)]
    waits = [round(later - earlier) for earlier, later in itertools.pairwise(began)]
    assert waits == [10, 20, 40]


def test_a_container_that_stops_crashing_gets_ready(world: KubernetesWorld, api: ApiClient) -> None:
    world.behave(Behaviour(exit_code=1), image="web")
    api.apply(DEPLOYMENTS, a_deployment(replicas=1))
    _pass(world, 5)
    world.behave(Behaviour(), image="web")
    _pass(world, 12)
    assert _status(world)["readyReplicas"] == 1


def test_a_ready_pod_that_becomes_unready_leaves_the_endpoints(world: KubernetesWorld, api: ApiClient) -> None:
    api.apply(_SERVICES, a_service())
    api.apply(DEPLOYMENTS, a_deployment())
    _pass(world, 2)
    world.behave(Behaviour(ready=False), image="web")
    _pass(world, 1)
    endpoints = world.list(ENDPOINT_SLICE, NAMESPACE)[0]["endpoints"]
    assert [each["conditions"]["ready"] for each in endpoints] == [False, False]
    assert _condition(world, "Available") == ("False", "MinimumReplicasUnavailable")


def test_a_stalled_deployment_controller_observes_nothing(world: KubernetesWorld, api: ApiClient) -> None:
    api.apply(DEPLOYMENTS, a_deployment())
    _pass(world, 2)
    world.stalled.add("deployment")
    made = api.apply(DEPLOYMENTS, a_deployment(image="shop/web:2")).json()
    _pass(world, 30)
    assert (made["metadata"]["generation"], _status(world)["observedGeneration"]) == (2, 1)
    world.stalled.clear()
    _pass(world, 5)
    assert _status(world)["observedGeneration"] == 2


def test_a_pod_that_admission_refuses_is_a_replica_failure(world: KubernetesWorld, api: ApiClient) -> None:
    world.admission.append(lambda operation, resource, document: "no" if resource is POD else None)
    api.apply(DEPLOYMENTS, a_deployment())
    _pass(world, 1)
    assert _condition(world, "ReplicaFailure") == ("True", "FailedCreate")
    world.admission.clear()
    _pass(world, 5)
    assert _status(world)["availableReplicas"] == 2
    assert all(each["type"] != "ReplicaFailure" for each in _status(world)["conditions"])


def test_nodes_without_room_are_told_and_a_new_node_takes_the_pod(world: KubernetesWorld, api: ApiClient) -> None:
    big = a_deployment(replicas=1, resources={"requests": {"cpu": "6"}})
    api.apply(DEPLOYMENTS, big)
    _pass(world, 1)
    scheduled = _running(world)[0]["status"]["conditions"][0]
    assert (scheduled["reason"], scheduled["message"].split(".")[0]) == (
        "Unschedulable",
        "0/1 nodes are available: 1 Insufficient cpu",
    )
    world.add_node("node2", cpu="8")
    _pass(world, 2)
    assert _running(world)[0]["spec"]["nodeName"] == "node2"


def test_a_budget_allows_one_eviction_at_a_time(world: KubernetesWorld, api: ApiClient) -> None:
    api.apply(DEPLOYMENTS, a_deployment())
    api.apply(_BUDGETS, a_budget(maxUnavailable=1))
    _pass(world, 2)
    first, second = [pod["metadata"]["name"] for pod in _running(world)]
    assert api.post(f"{PODS}/{first}/eviction", json={}).status_code == 201
    refused = api.post(f"{PODS}/{second}/eviction", json={})
    assert (refused.status_code, refused.json()["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
    _pass(world, 3)
    assert api.post(f"{PODS}/{second}/eviction", json={}).status_code == 201


def test_a_cordoned_node_gets_no_pods(world: KubernetesWorld, api: ApiClient) -> None:
    world.add_node("node2")
    api.merge("/api/v1/nodes/node1", {"spec": {"unschedulable": True}})
    api.apply(DEPLOYMENTS, a_deployment(replicas=3))
    _pass(world, 2)
    assert {pod["spec"]["nodeName"] for pod in _running(world)} == {"node2"}
    assert world.find(NODE, "", "node1")["spec"]["unschedulable"]


def test_pods_spread_over_nodes(world: KubernetesWorld, api: ApiClient) -> None:
    world.add_node("node2")
    api.apply(DEPLOYMENTS, a_deployment(replicas=4))
    _pass(world, 2)
    assert sorted(pod["spec"]["nodeName"] for pod in _running(world)) == ["node1"] * 2 + ["node2"] * 2


def test_an_autoscaler_scales_within_its_bounds_and_owns_the_replicas(world: KubernetesWorld, api: ApiClient) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    api.apply(DEPLOYMENTS, a_deployment())
    api.apply(f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers", {**scaler, "spec": spec})
    _pass(world, 20)
    assert _status(world)["replicas"] == 2
    assert "FailedGetResourceMetric" in _reasons(world)
    world.cpu_percent = lambda namespace, deployment: 400.0
    _pass(world, 20)
    assert _status(world)["replicas"] == 5
    refused = api.apply(DEPLOYMENTS, a_deployment()).json()
    assert '"kube-controller-manager" with subresource "scale"' in refused["message"]
    world.cpu_percent = lambda namespace, deployment: 1.0
    _pass(world, 20)
    assert len(_running(world)) == 2


def test_a_terminating_pod_stays_for_its_grace_period_and_serves_until_then(
    world: KubernetesWorld, api: ApiClient
) -> None:
    world.behave(Behaviour(stop_seconds=None), image="web")
    api.apply(_SERVICES, a_service())
    api.apply(DEPLOYMENTS, a_deployment(replicas=1, lifecycle={"preStop": {"sleep": {"seconds": 3}}}))
    _pass(world, 2)
    name = _running(world)[0]["metadata"]["name"]
    api.delete(f"{PODS}/{name}")
    _pass(world, 9.9)
    assert api.get(f"{PODS}/{name}").json()["status"]["phase"] == "Running"
    terminating = world.list(ENDPOINT_SLICE, NAMESPACE)[0]["endpoints"][0]["conditions"]
    assert terminating == {"ready": False, "serving": True, "terminating": True}
    _pass(world, 1)
    assert api.get(f"{PODS}/{name}").status_code == 404


def test_scaling_in_the_middle_of_a_rolling_update_ends_at_the_wanted_number(
    world: KubernetesWorld, api: ApiClient
) -> None:
    api.apply(DEPLOYMENTS, a_deployment(replicas=4))
    _pass(world, 2)
    api.apply(DEPLOYMENTS, a_deployment(image="shop/web:2", replicas=4))
    _pass(world, 0.5)
    api.apply(DEPLOYMENTS, a_deployment(image="shop/web:2", replicas=6))
    _pass(world, 15)
    assert (_status(world)["replicas"], _status(world)["updatedReplicas"]) == (6, 6)


def test_a_paused_deployment_rolls_nothing_out(world: KubernetesWorld, api: ApiClient) -> None:
    api.apply(DEPLOYMENTS, a_deployment())
    _pass(world, 2)
    paused = a_deployment(image="shop/web:2")
    paused["spec"]["paused"] = True
    api.apply(DEPLOYMENTS, paused)
    _pass(world, 5)
    assert {pod["spec"]["containers"][0]["image"] for pod in _running(world)} == {"shop/web:1"}
    api.apply(DEPLOYMENTS, a_deployment(image="shop/web:2"))
    _pass(world, 5)
    assert {pod["spec"]["containers"][0]["image"] for pod in _running(world)} == {"shop/web:2"}


def test_old_replica_sets_are_kept_up_to_the_limit(world: KubernetesWorld, api: ApiClient) -> None:
    for number in range(5):
        deployment = a_deployment(image=f"shop/web:{number}")
        deployment["spec"]["revisionHistoryLimit"] = 2
        api.apply(DEPLOYMENTS, deployment)
        _pass(world, 4)
    assert len(world.list(REPLICA_SET, NAMESPACE)) == 3


@pytest.mark.parametrize(("policy", "left"), [("Background", 0), ("Orphan", 2), ("Foreground", 0)])
def test_a_deployments_deletion_takes_its_pods_with_it_or_leaves_them(
    world: KubernetesWorld, api: ApiClient, policy: str, left: int
) -> None:
    api.apply(DEPLOYMENTS, a_deployment())
    _pass(world, 2)
    api.request("DELETE", f"{DEPLOYMENTS}/web", json={"propagationPolicy": policy})
    _pass(world, 5)
    assert api.get(f"{DEPLOYMENTS}/web").status_code == 404
    assert len(world.list(POD, NAMESPACE)) == left


def test_a_pod_of_its_own_runs_to_its_end(world: KubernetesWorld, api: ApiClient) -> None:
    world.behave(Behaviour(exit_code=0, log="done\n"), image="shop/job")
    spec = {"restartPolicy": "Never", "containers": [{"name": "job", "image": "shop/job:1"}]}
    api.post(PODS, json={"metadata": {"name": "job"}, "spec": spec})
    _pass(world, 2)
    assert api.get(f"{PODS}/job").json()["status"]["phase"] == "Succeeded"
    assert api.get(f"{PODS}/job/log").text == "done\n"


def test_a_gateway_says_for_which_generation_it_routes_and_what_is_missing(
    world: KubernetesWorld, api: ApiClient
) -> None:
    world.pace = Pace(gateway_lag=1.0)
    routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"}}
    spec = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}
    api.apply(routes, {**route, "spec": spec})
    _pass(world, 0.5)
    assert "status" not in api.get(f"{routes}/web").json()
    _pass(world, 1)
    conditions = api.get(f"{routes}/web").json()["status"]["parents"][0]["conditions"]
    told = {each["type"]: (each["status"], each["reason"], each["observedGeneration"]) for each in conditions}
    assert told == {"Accepted": ("True", "Accepted", 1), "ResolvedRefs": ("False", "BackendNotFound", 1)}


def test_a_pod_whose_secret_is_missing_waits_for_it(world: KubernetesWorld, api: ApiClient) -> None:
    key = {"secretKeyRef": {"name": "datastores", "key": "redis_url"}}
    api.apply(DEPLOYMENTS, a_deployment(replicas=1, env=[{"name": "REDIS_URL", "valueFrom": key}]))
    _pass(world, 2)
    waiting = _running(world)[0]["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "datastores" not found'}
    secret = {"metadata": {"name": "datastores"}, "stringData": {"redis_url": "redis://redis"}}
    api.post(f"/api/v1/namespaces/{NAMESPACE}/secrets", json=secret)
    _pass(world, 1)
    assert _status(world)["readyReplicas"] == 1


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_what_the_pipeline_renders_is_accepted_and_runs(world: KubernetesWorld, api: ApiClient, name: str) -> None:
    for secret, key in {"datastores": "redis_url", "payment-1f2e": "password"}.items():
        document = {"metadata": {"name": secret}, "stringData": {key: "value"}}
        api.post(f"/api/v1/namespaces/{NAMESPACE}/secrets", json=document).raise_for_status()
    kinds = {resource.kind: resource for resource in RESOURCES}
    for manifest in render(PLACE, WORKLOADS[name]):
        resource = kinds[manifest["kind"]]
        group = f"/apis/{resource.group}" if resource.group else "/api"
        path = f"{group}/{resource.version}/namespaces/{NAMESPACE}/{resource.plural}"
        assert api.apply(path, manifest, fieldValidation="Strict").status_code == 201, manifest["kind"]
        assert api.apply(path, manifest).status_code == 200
    _pass(world, 30)
    status = world.find(DEPLOYMENT, NAMESPACE, "backend")["status"]
    assert status["availableReplicas"] == WORKLOADS[name].replicas
