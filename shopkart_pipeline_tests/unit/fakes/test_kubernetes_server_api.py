"""The emulated Kubernetes API: versions, patches, ownership, validation, pages, watches, and failures on demand."""

import json
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline_tests.fakes.kubernetes_server import (
    Drop,
    KubernetesWorld,
    Trouble,
    make_certificate,
    running_kubernetes,
    step,
    write_kubeconfig,
)
from shopkart_pipeline_tests.kubernetes_objects import (
    DEPLOYMENTS,
    NAMESPACE,
    PODS,
    ApiClient,
    a_deployment,
    a_service,
    api_of,
)

_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


@pytest.fixture
def world() -> KubernetesWorld:
    return KubernetesWorld(SystemClock())


@pytest.fixture
def api(world: KubernetesWorld) -> Generator[ApiClient]:
    with api_of(world) as client:
        yield client


def _map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _events(text: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["type"], line["object"].get("metadata", {}).get("name", "")) for line in lines]


def test_the_official_client_works_with_it(tmp_path: Path) -> None:
    import kubernetes

    world = KubernetesWorld(SystemClock())
    world.add_namespace(NAMESPACE)
    with running_kubernetes(world) as address:
        config = str(write_kubeconfig(tmp_path / "config", address, world.token))
        with kubernetes.config.new_client_from_config(config) as client:
            resource = kubernetes.dynamic.DynamicClient(client).resources.get(api_version="apps/v1", kind="Deployment")
            resource.server_side_apply(body=a_deployment(), name="web", namespace=NAMESPACE, field_manager="shopkart")
            apps, watch = kubernetes.client.AppsV1Api(client), kubernetes.watch.Watch()
            for event in watch.stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=20):
                if event["object"].status.available_replicas == 2:
                    watch.stop()
            assert apps.read_namespaced_deployment_status("web", NAMESPACE).status.ready_replicas == 2


def test_over_tls_the_official_client_trusts_the_declared_authority_alone(
    world: KubernetesWorld, tmp_path: Path
) -> None:
    import kubernetes
    import urllib3

    certificate = make_certificate(tmp_path)
    with running_kubernetes(world, certificate=certificate) as address:
        assert address.startswith("https://")
        trusting = write_kubeconfig(tmp_path / "config", address, world.token, certificate=certificate)
        with kubernetes.config.new_client_from_config(str(trusting)) as client:
            assert kubernetes.client.VersionApi(client).get_code().git_version == "v1.36.2"
        other = write_kubeconfig(tmp_path / "other", address, world.token)
        refused = pytest.raises(urllib3.exceptions.MaxRetryError, match="CERTIFICATE_VERIFY_FAILED")
        with kubernetes.config.new_client_from_config(str(other)) as client, refused:
            kubernetes.client.VersionApi(client).get_code()


def test_an_apply_that_changes_nothing_is_no_new_version(api: ApiClient) -> None:
    first = api.apply(DEPLOYMENTS, a_deployment()).json()["metadata"]
    again = api.apply(DEPLOYMENTS, a_deployment()).json()["metadata"]
    assert (again["resourceVersion"], again["generation"]) == (first["resourceVersion"], 1)


def test_what_is_applied_no_more_goes_unless_somebody_else_owns_it(api: ApiClient) -> None:
    api.apply(_MAPS, _map(mine="1", shared="1"))
    api.apply(_MAPS, _map(shared="1", theirs="1"), "other")
    left = api.apply(_MAPS, {key: value for key, value in _map().items() if key != "data"}).json()
    assert left["data"] == {"shared": "1", "theirs": "1"}


def test_an_applied_field_of_another_manager_is_a_conflict_and_is_taken_by_force(api: ApiClient) -> None:
    api.apply(_MAPS, _map(key="1"))
    refused = api.apply(_MAPS, _map(key="2"), "other")
    assert (refused.status_code, refused.json()["details"]["causes"][0]["field"]) == (409, ".data.key")
    assert api.apply(_MAPS, _map(key="2"), "other", force="true").json()["data"] == {"key": "2"}
    managers = {each["manager"]: each for each in api.get(f"{_MAPS}/settings").json()["metadata"]["managedFields"]}
    assert set(managers) == {"other"}


def test_a_replicas_count_set_by_scale_belongs_to_who_set_it(api: ApiClient) -> None:
    api.apply(DEPLOYMENTS, a_deployment(replicas=2))
    api.merge(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 5}})
    refused = api.apply(DEPLOYMENTS, a_deployment(replicas=2)).json()
    assert refused["message"].endswith('"tester" with subresource "scale" using apps/v1: .spec.replicas')
    without = a_deployment()
    del without["spec"]["replicas"]
    assert api.apply(DEPLOYMENTS, without).json()["spec"]["replicas"] == 5


def test_replicas_that_are_applied_no_more_fall_back_to_one_unless_somebody_else_took_them(api: ApiClient) -> None:
    without = a_deployment()
    del without["spec"]["replicas"]
    api.apply(DEPLOYMENTS, a_deployment(replicas=4))
    assert api.apply(DEPLOYMENTS, without).json()["spec"]["replicas"] == 1
    api.apply(DEPLOYMENTS, a_deployment(replicas=4))
    api.merge(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 5}})
    assert api.apply(DEPLOYMENTS, without).json()["spec"]["replicas"] == 5


def test_a_stale_version_is_a_conflict_for_every_way_of_writing(api: ApiClient) -> None:
    made = api.post(_MAPS, json=_map(key="1")).json()
    api.merge(f"{_MAPS}/settings", {"data": {"key": "2"}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    answers = [
        api.put(f"{_MAPS}/settings", json=made),
        api.merge(f"{_MAPS}/settings", {**stale, "data": {"key": "3"}}),
        api.request("DELETE", f"{_MAPS}/settings", json={"preconditions": stale["metadata"]}),
    ]
    assert [answer.status_code for answer in answers] == [409, 409, 409]
    assert api.get(f"{_MAPS}/settings").json()["data"] == {"key": "2"}


def test_a_strategic_patch_merges_containers_by_name_and_a_merge_patch_replaces_the_list(api: ApiClient) -> None:
    api.post(DEPLOYMENTS, json=a_deployment())
    side = {"name": "side", "image": "shop/side:1"}
    patch = {"spec": {"template": {"spec": {"containers": [side]}}}}
    merged = api.merge(f"{DEPLOYMENTS}/web", patch, "strategic-merge").json()
    assert [each["name"] for each in merged["spec"]["template"]["spec"]["containers"]] == ["web", "side"]
    replaced = api.merge(f"{DEPLOYMENTS}/web", patch).json()
    assert [each["name"] for each in replaced["spec"]["template"]["spec"]["containers"]] == ["side"]


def test_a_json_patch_tests_before_it_changes(api: ApiClient) -> None:
    api.post(_MAPS, json=_map(key="1"))
    test = {"op": "test", "path": "/data/key", "value": "2"}
    change: Any = [test, {"op": "replace", "path": "/data/key", "value": "3"}]
    assert api.merge(f"{_MAPS}/settings", change, "json").status_code == 422
    assert api.merge(f"{_MAPS}/settings", change[1:], "json").json()["data"] == {"key": "3"}


def test_a_dry_run_changes_nothing(api: ApiClient) -> None:
    assert api.apply(DEPLOYMENTS, a_deployment(), dryRun="All").status_code == 201
    assert api.get(f"{DEPLOYMENTS}/web").status_code == 404


def test_a_field_that_is_not_in_the_schema_cannot_be_applied(api: ApiClient) -> None:
    wrong = a_deployment(imagePullPolcy="Always")
    answer = api.apply(DEPLOYMENTS, wrong)
    assert answer.status_code == 500
    assert "containers[0].imagePullPolcy: field not declared in schema" in answer.json()["message"]


def test_a_wrong_type_is_refused(api: ApiClient) -> None:
    wrong = a_deployment()
    wrong["spec"]["replicas"] = "two"
    answer = api.post(DEPLOYMENTS, json=wrong)
    assert answer.status_code == 400
    assert "cannot unmarshal str into Go struct field Deployment.spec.replicas of type integer" in answer.text


def test_a_selector_cannot_change(api: ApiClient) -> None:
    api.post(DEPLOYMENTS, json=a_deployment())
    other = a_deployment(name="other")
    other["metadata"]["name"] = "web"
    causes = api.put(f"{DEPLOYMENTS}/web", json=other).json()["details"]["causes"]
    assert [each["field"] for each in causes] == ["spec.selector"]


def test_a_status_is_written_through_its_subresource_alone(api: ApiClient) -> None:
    made = api.post(DEPLOYMENTS, json=a_deployment()).json()
    assert api.put(f"{DEPLOYMENTS}/web", json={**made, "status": {"replicas": 9}}).json()["status"] == {}
    both = {"status": {"replicas": 9}, "spec": {"replicas": 9}}
    written = api.merge(f"{DEPLOYMENTS}/web/status", both).json()
    assert (written["status"]["replicas"], written["spec"]["replicas"]) == (9, 2)


def test_a_kind_from_a_custom_resource_definition_is_kept_as_it_is(api: ApiClient) -> None:
    routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
    backends = [{"name": "stable", "port": 80, "weight": 90}, {"name": "canary", "port": 80, "weight": 10}]
    spec = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": backends}]}
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"}}
    made = api.apply(routes, {**route, "spec": spec}).json()
    weights = [each["weight"] for each in made["spec"]["rules"][0]["backendRefs"]]
    assert (weights, made["metadata"]["generation"]) == ([90, 10], 1)


def test_lists_come_in_pages_and_a_forgotten_page_has_expired(api: ApiClient, world: KubernetesWorld) -> None:
    for number in range(5):
        api.post(_MAPS, json=_map(f"map-{number}"))
    first = api.get(_MAPS, params={"limit": "2"}).json()
    token = first["metadata"]["continue"]
    second = api.get(_MAPS, params={"limit": "2", "continue": token}).json()
    assert [each["metadata"]["name"] for each in first["items"] + second["items"]] == [f"map-{n}" for n in range(4)]
    assert first["metadata"]["remainingItemCount"] == 3
    world.store.compact()
    api.post(_MAPS, json=_map("another"))
    world.store.compact()
    expired = api.get(_MAPS, params={"limit": "2", "continue": token})
    assert (expired.status_code, expired.json()["reason"]) == (410, "Expired")


@pytest.mark.parametrize(
    ("selector", "found"),
    [("app=a", ["one"]), ("app!=a", ["three", "two"]), ("app in (a, b)", ["one", "two"]), ("!app", ["three"])],
)
def test_labels_select(api: ApiClient, selector: str, found: list[str]) -> None:
    for name, labels in {"one": {"app": "a"}, "two": {"app": "b"}, "three": {}}.items():
        api.post(_MAPS, json={"metadata": {"name": name, "labels": labels}})
    listed = api.get(_MAPS, params={"labelSelector": selector}).json()["items"]
    assert [each["metadata"]["name"] for each in listed] == found


def test_fields_select_and_unknown_ones_are_refused(api: ApiClient) -> None:
    api.post(_MAPS, json=_map("one"))
    api.post(_MAPS, json=_map("two"))
    assert len(api.get(_MAPS, params={"fieldSelector": "metadata.name=one"}).json()["items"]) == 1
    assert api.get(_MAPS, params={"fieldSelector": "data.key=one"}).status_code == 400


def test_a_watch_shows_what_is_there_and_then_what_changes(api: ApiClient, world: KubernetesWorld) -> None:
    api.post(_MAPS, json=_map("one"))
    seen: list[str] = []

    def watch() -> None:
        seen.append(api.get(_MAPS, params={"watch": "true", "timeoutSeconds": "2", "allowWatchBookmarks": "1"}).text)

    watching = threading.Thread(target=watch)
    watching.start()
    while not world.store.listeners:
        time.sleep(0.01)
    with httpx.Client(base_url=api.base_url, headers=api.headers) as other:
        other.post(_MAPS, json=_map("two"))
        other.delete(f"{_MAPS}/one")
    watching.join()
    assert _events(seen[0]) == [("ADDED", "one"), ("ADDED", "two"), ("DELETED", "one"), ("BOOKMARK", "")]


def test_a_watched_object_that_stops_to_fit_a_selector_is_deleted_for_the_watch(api: ApiClient) -> None:
    made = api.post(_MAPS, json={"metadata": {"name": "one", "labels": {"app": "a"}}}).json()
    api.merge(f"{_MAPS}/one", {"metadata": {"labels": {"app": "b"}}})
    version = made["metadata"]["resourceVersion"]
    query = {"watch": "1", "timeoutSeconds": "1", "labelSelector": "app=a", "resourceVersion": version}
    assert _events(api.get(_MAPS, params=query).text) == [("DELETED", "one")]


def test_a_watch_can_be_cut_off_in_the_middle(api: ApiClient, world: KubernetesWorld) -> None:
    api.post(_MAPS, json=_map("one"))
    with api.stream("GET", _MAPS, params={"watch": "1"}) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["type"] == "ADDED"
        world.cut_watches()
        with pytest.raises(httpx.TransportError):
            next(lines)


def test_a_watch_from_a_forgotten_version_has_expired(api: ApiClient, world: KubernetesWorld) -> None:
    api.post(_MAPS, json=_map("one"))
    world.store.compact()
    answer = api.get(_MAPS, params={"watch": "1", "resourceVersion": "1"})
    event = json.loads(answer.text)
    assert (answer.status_code, event["type"], event["object"]["code"]) == (200, "ERROR", 410)


def test_who_may_not_is_told_what_and_an_access_review_says_the_same(api: ApiClient, world: KubernetesWorld) -> None:
    token = world.add_user("reader", lambda verb, group, resource, namespace: verb in ("get", "list"))
    headers = {"Authorization": f"Bearer {token}"}
    refused = api.post(_MAPS, json=_map(), headers=headers)
    assert refused.json()["message"] == (
        'configmaps is forbidden: User "reader" cannot create resource "configmaps" in API group "" in the '
        f'namespace "{NAMESPACE}"'
    )
    asked = {"spec": {"resourceAttributes": {"verb": "create", "resource": "configmaps", "namespace": NAMESPACE}}}
    review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert api.post(review, json=asked, headers=headers).json()["status"] == {"allowed": False}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_requests_fail_on_demand_and_change_nothing(api: ApiClient, world: KubernetesWorld, status: int) -> None:
    world.troubles.make(Trouble(status=status, headers={"Retry-After": "1"}, method="POST"))
    failed = api.post(_MAPS, json=_map())
    assert (failed.status_code, failed.headers["retry-after"], failed.json()["code"]) == (status, "1", status)
    assert api.post(_MAPS, json=_map()).status_code == 201


@pytest.mark.parametrize(("drop", "there"), [(Drop.BEFORE, 404), (Drop.AFTER, 200)])
def test_connections_are_dropped_on_demand(api: ApiClient, world: KubernetesWorld, drop: Drop, there: int) -> None:
    world.troubles.make(Trouble(drop=drop, method="POST"))
    with pytest.raises(httpx.TransportError):
        api.post(_MAPS, json=_map())
    assert api.get(f"{_MAPS}/settings").status_code == there


def test_answers_are_slow_on_demand(api: ApiClient, world: KubernetesWorld) -> None:
    world.troubles.make(Trouble(delay_seconds=0.5))
    with pytest.raises(httpx.ReadTimeout):
        api.get(_MAPS, timeout=0.1)


def test_a_deleted_namespace_goes_with_everything_in_it(api: ApiClient, world: KubernetesWorld) -> None:
    api.apply(DEPLOYMENTS, a_deployment())
    api.apply(f"/api/v1/namespaces/{NAMESPACE}/services", a_service())
    step(world)
    api.delete(f"/api/v1/namespaces/{NAMESPACE}")
    refused = api.post(_MAPS, json=_map())
    assert (refused.status_code, "being terminated" in refused.text) == (403, True)
    deadline = time.monotonic() + 120
    while api.get(f"/api/v1/namespaces/{NAMESPACE}").status_code != 404:
        assert time.monotonic() < deadline
        step(world)
        time.sleep(0.05)
    assert api.get(PODS).json()["items"] == []
