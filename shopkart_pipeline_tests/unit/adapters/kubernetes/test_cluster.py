"""What the cluster port does on Kubernetes beyond its contract: whose fields, drift, an API that fails, reasons."""

import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.cluster import KubernetesCluster, Surroundings
from shopkart_pipeline.adapters.kubernetes.connection import Access, Connection
from shopkart_pipeline.adapters.kubernetes.kinds import CONFIG_MAP, DEPLOYMENT, HTTP_ROUTE, POD
from shopkart_pipeline.adapters.kubernetes.replica_count import leave_to_autoscaler
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import Conflict, Refused, ToolUnavailable
from shopkart_pipeline.domain.pod import Autoscale, Route, RouteKind
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec, WorkloadStatus
from shopkart_pipeline_tests.contract.cluster_worlds import a_service, a_spec, is_complete
from shopkart_pipeline_tests.contract.kubernetes_worlds import EmulatedWorld, an_emulated_world
from shopkart_pipeline_tests.fakes.kubernetes_server import Behaviour, Drop, Trouble

PRODUCTION = "production"
_CONNECTIONS: list[Connection] = []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmulatedWorld]:
    with an_emulated_world(tmp_path_factory.mktemp("kubernetes")) as emulated:
        yield emulated


@pytest.fixture(autouse=True)
def no_trouble(world: EmulatedWorld) -> Generator[None]:
    yield
    world.world.troubles.coming.clear()
    world.world.admission.clear()
    while _CONNECTIONS:
        _CONNECTIONS.pop().close()


@pytest.fixture
def service() -> str:
    return a_service()


def _second(world: EmulatedWorld, token: str | None = None, folder: Path | None = None) -> KubernetesCluster:
    """The port as another process has it, perhaps as somebody else."""
    access = world.api._connection.access
    if token is not None and folder is not None and access.kubeconfig is not None:
        text = Path(access.kubeconfig).read_text().replace(world.world.token, token)
        (folder / "kubeconfig").write_text(text)
        access = replace(access, kubeconfig=str(folder / "kubeconfig"))
    _CONNECTIONS.append(Connection(access, SystemClock()))
    api = KubernetesApi(_CONNECTIONS[-1], SystemClock())
    return KubernetesCluster(api, world.registry, world.world.clock, Surroundings(settle_seconds=0.5))


def _scale_by_hand(world: EmulatedWorld, service: str, replicas: int, who: str = "kubectl") -> None:
    apps = kubernetes.client.AppsV1Api(world.api._connection.client())
    body = {"spec": {"replicas": replicas}}
    apps.patch_namespaced_deployment_scale(service, PRODUCTION, body, field_manager=who)


def _set_image_by_hand(world: EmulatedWorld, service: str, image: str) -> None:
    apps = kubernetes.client.AppsV1Api(world.api._connection.client())
    containers = [{"name": service, "image": image}]
    body = {"spec": {"template": {"spec": {"containers": containers}}}}
    apps.patch_namespaced_deployment(service, PRODUCTION, body, field_manager="kubectl-set")


def _stable(status: ServiceStatus) -> WorkloadStatus:
    assert status.stable is not None
    return status.stable


def _failing(world: EmulatedWorld, service: str, spec: WorkloadSpec) -> str:
    world.cluster.apply(PRODUCTION, service, Track.STABLE, spec)
    last = world.until(PRODUCTION, service, lambda status: bool(_stable(status).failure))[-1]
    return str(_stable(last).failure)


# Whose fields they are.


def test_a_number_of_replicas_set_by_hand_shows_and_is_a_conflict(world: EmulatedWorld, service: str) -> None:
    digest = world.deployed(service)
    _scale_by_hand(world, service, 3)
    last = world.until(PRODUCTION, service, lambda status: _stable(status).total == 3)[-1]
    assert _stable(last).spec == a_spec(digest, replicas=3)
    with pytest.raises(Conflict) as conflict:
        world.cluster.apply(PRODUCTION, service, Track.STABLE, a_spec(digest))
    assert '"kubectl" with subresource "scale"' in conflict.value.what
    assert ".spec.replicas" in conflict.value.what


def test_an_image_set_by_hand_shows_and_is_not_taken_away_by_force(world: EmulatedWorld, service: str) -> None:
    digest = world.deployed(service)
    other = world.publish(service, "by hand")
    _set_image_by_hand(world, service, f"{service}@{other}")
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    assert _stable(world.cluster.observe(PRODUCTION, service)).spec.digest == other
    with pytest.raises(Conflict, match="kubectl-set"):
        world.cluster.apply(PRODUCTION, service, Track.STABLE, a_spec(digest))


def test_a_configuration_set_by_hand_is_named_without_its_value(world: EmulatedWorld, service: str) -> None:
    world.deployed(service, replicas=1)
    untouched = _stable(world.cluster.observe(PRODUCTION, service))
    restarted = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}
    _patch_template(world, service, restarted, "kubectl-rollout")
    _set_image_by_hand(world, service, f"{service}@{world.publish(service, 'by hand')}")
    beside = _stable(world.cluster.observe(PRODUCTION, service))
    container = {"name": service, "env": [{"name": "DEBUG", "value": "s3cret"}], "workingDir": "/srv"}
    _patch_template(world, service, {"spec": {"containers": [container]}}, "kubectl-edit")

    found = _stable(world.cluster.observe(PRODUCTION, service))

    assert (untouched.by_hand, beside.by_hand) == (None, None)
    named = f"containers[{service}].env[DEBUG] by kubectl-edit, containers[{service}].workingDir by kubectl-edit"
    assert found.by_hand == named
    assert found.spec.configuration == untouched.spec.configuration


def _patch_template(world: EmulatedWorld, service: str, template: dict[str, Any], who: str) -> None:
    apps = kubernetes.client.AppsV1Api(world.api._connection.client())
    apps.patch_namespaced_deployment(service, PRODUCTION, {"spec": {"template": template}}, field_manager=who)


def test_what_the_last_good_unit_needs_outlives_the_canary(world: EmulatedWorld, service: str) -> None:
    digest = world.deployed(service, replicas=1)
    before, after = a_spec(digest, replicas=1, MODE="before"), a_spec(digest, replicas=1, MODE="after")
    world.cluster.apply(PRODUCTION, service, Track.STABLE, before)
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    world.cluster.apply(PRODUCTION, service, Track.CANARY, after)
    world.until(PRODUCTION, service, lambda status: is_complete(status.canary))
    world.cluster.apply(PRODUCTION, service, Track.STABLE, after)
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))

    world.cluster.remove(PRODUCTION, service, Track.CANARY)

    kept = world.api.list(CONFIG_MAP, PRODUCTION, f"app.kubernetes.io/name={service}")
    assert {"before", "after"} <= {each.get("data", {}).get("MODE") for each in kept}
    live = world.api.get(DEPLOYMENT, PRODUCTION, service)
    assert live is not None
    for described in (live["metadata"], live["spec"]["template"]["metadata"]):
        assert described["annotations"]["shopkart/configuration"] == after.configuration


def test_a_deployment_of_somebody_else_is_refused(world: EmulatedWorld, service: str) -> None:
    world.deployed(service)
    live = world.api.get(DEPLOYMENT, PRODUCTION, service)
    assert live is not None
    del live["metadata"]["annotations"]["shopkart/spec"]
    world.api.replace(DEPLOYMENT, PRODUCTION, live)
    with pytest.raises(Refused, match="not the pipeline's own"):
        world.cluster.observe(PRODUCTION, service)


def test_an_autoscalers_number_of_replicas_outlives_every_release(world: EmulatedWorld, service: str) -> None:
    spec = replace(a_spec(world.publish(service, "v1")), autoscale=Autoscale(2, 6, 70))
    world.cluster.apply(PRODUCTION, service, Track.STABLE, spec)
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    for version, replicas in (("v2", 2), ("v3", 4), ("v4", 4)):
        if replicas == 4:
            _scale_by_hand(world, service, 4, "kube-controller-manager")
        digest = world.publish(service, version)
        world.cluster.apply(PRODUCTION, service, Track.STABLE, replace(spec, digest=digest))
        last = world.until(PRODUCTION, service, lambda status: is_complete(status.stable))[-1]
        assert _stable(last).total == replicas
    with pytest.raises(Refused, match="autoscaler"):
        world.cluster.scale(PRODUCTION, service, Track.STABLE, 3)


def test_an_autoscalers_fewest_replicas_are_raised_and_lowered_and_stay_so_beside_a_canary(
    world: EmulatedWorld, service: str
) -> None:
    daily, sale = Autoscale(2, 6, 70), Autoscale(4, 6, 70)
    spec = replace(a_spec(world.publish(service, "v1")), autoscale=daily)
    world.cluster.apply(PRODUCTION, service, Track.STABLE, spec)
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    restarted = _revision(world, service)

    for _ in range(2):
        world.cluster.rescale(PRODUCTION, service, Scale(4, sale))
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable) and _stable(status).total == 4)

    assert world.cluster.bounds(PRODUCTION, service) == (4, 6)
    canary = replace(spec, digest=world.publish(service, "v2"), replicas=1)
    world.cluster.apply(PRODUCTION, service, Track.CANARY, canary)
    world.cluster.set_weight(PRODUCTION, service, 0)
    assert world.cluster.bounds(PRODUCTION, service) == (4, 6)
    assert _stable(world.cluster.observe(PRODUCTION, service)).spec.autoscale == sale
    world.cluster.remove(PRODUCTION, service, Track.CANARY)
    world.cluster.rescale(PRODUCTION, service, Scale(2, daily))
    assert world.cluster.bounds(PRODUCTION, service) == (2, 6)
    assert _stable(world.cluster.observe(PRODUCTION, service)).spec == replace(spec, replicas=4)
    assert _revision(world, service) == restarted


def test_bounds_that_somebody_else_set_are_seen_and_not_taken_away(world: EmulatedWorld, service: str) -> None:
    spec = replace(a_spec(world.publish(service, "v1")), autoscale=Autoscale(2, 6, 70))
    world.cluster.apply(PRODUCTION, service, Track.STABLE, spec)
    scalers = kubernetes.client.AutoscalingV2Api(world.api._connection.client())
    body = {"spec": {"minReplicas": 3}}
    scalers.patch_namespaced_horizontal_pod_autoscaler(service, PRODUCTION, body, field_manager="kubectl-edit")
    for scale in (Scale(4, Autoscale(4, 6, 70)), Scale(2, Autoscale(2, 6, 70))):
        with pytest.raises(Conflict, match="minReplicas"):
            world.cluster.rescale(PRODUCTION, service, scale)
    assert world.cluster.bounds(PRODUCTION, service) == (3, 6)
    assert _stable(world.cluster.observe(PRODUCTION, service)).spec.autoscale == spec.autoscale
    scalers.delete_namespaced_horizontal_pod_autoscaler(service, PRODUCTION)
    assert world.cluster.bounds(PRODUCTION, service) is None
    world.cluster.rescale(PRODUCTION, service, Scale(4, Autoscale(4, 6, 70)))
    assert world.cluster.bounds(PRODUCTION, service) == (4, 6)


def _revision(world: EmulatedWorld, service: str) -> str:
    live = world.api.get(DEPLOYMENT, PRODUCTION, service)
    assert live is not None
    return str(live["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def test_an_autoscaler_that_takes_the_number_while_it_is_handed_over_keeps_it(
    world: EmulatedWorld, service: str
) -> None:
    spec = replace(a_spec(world.publish(service, "v1")), autoscale=Autoscale(2, 6, 70))
    world.cluster.apply(PRODUCTION, service, Track.STABLE, spec)
    live = world.api.get(DEPLOYMENT, PRODUCTION, service)
    assert live is not None
    _scale_by_hand(world, service, 4, "kube-controller-manager")
    manifest: Any = {"metadata": {"name": service, "namespace": PRODUCTION}, "spec": {}}
    leave_to_autoscaler(world.api, manifest, 2, live)
    assert "replicas" not in manifest["spec"]
    now = world.api.get(DEPLOYMENT, PRODUCTION, service)
    assert now is not None
    assert now["spec"]["replicas"] == 4


def test_configuration_that_nothing_refers_to_any_more_is_removed(world: EmulatedWorld, service: str) -> None:
    for number in range(8):
        digest = world.publish(service, "v1")
        world.cluster.apply(PRODUCTION, service, Track.STABLE, a_spec(digest, replicas=1, NUMBER=str(number)))
        world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    world.cluster.apply(PRODUCTION, service, Track.CANARY, a_spec(digest, replicas=1, NUMBER="canary"))
    world.cluster.remove(PRODUCTION, service, Track.CANARY)
    numbers = {
        each["data"]["NUMBER"]
        for each in world.api.list(CONFIG_MAP, PRODUCTION, f"app.kubernetes.io/name={service}")
        if "NUMBER" in each.get("data", {})
    }
    assert "0" not in numbers
    assert {"2", "3", "4", "5", "6", "7"} <= numbers


def test_a_kind_that_a_team_brings_along_is_looked_up(world: EmulatedWorld, service: str) -> None:
    metadata = {"name": service, "namespace": PRODUCTION}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": "value"}}
    assert world.api.apply(secret)["metadata"]["name"] == service
    with pytest.raises(Refused, match="keeps no Gadget of v1"):
        world.api.apply({**secret, "kind": "Gadget"})


# When the API does not do what it should.

_PASSING = {
    "429": Trouble(2, status=429, headers={"Retry-After": "0"}),
    "500": Trouble(2, status=500),
    "503": Trouble(2, status=503),
    "dropped before": Trouble(2, drop=Drop.BEFORE),
    "dropped after": Trouble(1, drop=Drop.AFTER, writing=True),
    "dropped at the second write": Trouble(1, drop=Drop.AFTER, writing=True, after=1),
    "an apply that lost a race": Trouble(2, "PATCH", status=409, message="the object has been modified"),
}


@pytest.mark.parametrize("kind", _PASSING)
def test_what_passes_is_not_seen(world: EmulatedWorld, service: str, kind: str) -> None:
    def again() -> None:
        world.world.troubles.coming.clear()
        world.world.troubles.make(replace(_PASSING[kind]))

    digest = world.publish(service, "v1")
    again()
    world.cluster.apply(PRODUCTION, service, Track.STABLE, a_spec(digest))
    again()
    assert world.cluster.acquire_lease(PRODUCTION, service, "one", 10.0, world.now())
    again()
    assert world.cluster.acquire_lease(PRODUCTION, service, "one", 20.0, world.now())
    for document in ("first", "second"):
        again()
        world.cluster.save_rollout(PRODUCTION, service, document)
    again()
    world.cluster.release_lease(PRODUCTION, service, "one")
    again()
    assert world.cluster.load_rollout(PRODUCTION, service) == "second"
    assert world.cluster.acquire_lease(PRODUCTION, service, "two", 10.0, world.now())
    again()
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))


def test_an_answer_that_does_not_come_is_asked_for_again(world: EmulatedWorld, service: str) -> None:
    api = KubernetesApi(world.api._connection, SystemClock(), read_seconds=0.5)
    world.cluster.save_rollout(PRODUCTION, service, "document")
    world.world.troubles.make(Trouble(1, "GET", delay_seconds=2.0))
    began = time.monotonic()
    assert api.get(CONFIG_MAP, PRODUCTION, f"{service}.{PRODUCTION}.rollout") is not None
    assert time.monotonic() - began >= 0.5


def test_an_api_that_stays_away_is_told_without_credentials(world: EmulatedWorld, service: str) -> None:
    world.world.troubles.make(Trouble(99, status=503, message="etcdserver: no leader"))
    with pytest.raises(ToolUnavailable) as unavailable:
        world.cluster.observe(PRODUCTION, service)
    assert "etcdserver: no leader" in str(unavailable.value)
    assert world.world.token not in repr(unavailable.value)


def test_a_list_that_expired_begins_anew(world: EmulatedWorld, service: str) -> None:
    world.deployed(service)
    world.world.troubles.make(Trouble(1, "GET", "/pods", status=410, message="The provided continue parameter is old"))
    assert is_complete(world.cluster.observe(PRODUCTION, service).stable)


def test_what_is_not_allowed_names_verb_and_resource(world: EmulatedWorld, service: str, tmp_path: Path) -> None:
    token = world.world.add_user("ci", lambda verb, group, resource, namespace: verb != "patch")
    ours = _second(world, token, tmp_path)
    with pytest.raises(ToolUnavailable) as unavailable:
        ours.apply(PRODUCTION, service, Track.STABLE, a_spec(world.publish(service, "v1")))
    assert 'cannot patch resource "services"' in unavailable.value.what
    assert "RBAC" in unavailable.value.fix
    assert token not in str(unavailable.value)


def test_credentials_that_do_not_count_are_told(world: EmulatedWorld, service: str, tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailable, match="Renew"):
        _second(world, "wrong", tmp_path).observe(PRODUCTION, service)


def test_a_kubeconfig_that_is_not_there_is_told(world: EmulatedWorld, tmp_path: Path) -> None:
    api = KubernetesApi(Connection(Access(kubeconfig=str(tmp_path / "none")), SystemClock()), SystemClock())
    with pytest.raises(ToolUnavailable, match="no way to the cluster"):
        api.get(POD, PRODUCTION, "any")


def test_who_lost_the_lease_can_not_overwrite_what_its_successor_saved(world: EmulatedWorld, service: str) -> None:
    other = _second(world)
    world.cluster.save_rollout(PRODUCTION, service, "ours")
    assert other.load_rollout(PRODUCTION, service) == "ours"
    other.save_rollout(PRODUCTION, service, "theirs")
    with pytest.raises(Conflict):
        world.cluster.save_rollout(PRODUCTION, service, "ours again")
    assert other.load_rollout(PRODUCTION, service) == "theirs"


# Why replicas don't get ready.


def test_a_crash_loop_has_its_exit_code_and_its_last_words_without_secrets(world: EmulatedWorld, service: str) -> None:
    digest = world.publish(service, "v1")
    log = "hello\n\x1b[31mDB_PASSWORD=hunter2 is wrong\x1b[0m\nredis://shop:hunter3@cache:6379 refused\n"
    world.world.behave(Behaviour(exit_code=7, log=log), image=digest)
    failure = _failing(world, service, a_spec(digest, replicas=1))
    assert failure.startswith("crash loop: exit code 7, 3 times in a row; its log ends: hello | DB_PASSWORD=[redacted]")
    assert "redis://cache:6379 refused" in failure
    assert "hunter" not in failure


def test_an_image_that_can_not_be_pulled_is_told(world: EmulatedWorld, service: str) -> None:
    digest = world.publish(service, "v1")
    world.world.behave(Behaviour(pull_error="manifest unknown"), image=digest)
    failure = _failing(world, service, a_spec(digest, replicas=1))
    assert failure.startswith("image can't be pulled:")
    assert "manifest unknown" in failure


def test_no_room_on_any_node_hinders_until_the_cluster_gives_up(world: EmulatedWorld, service: str) -> None:
    spec = a_spec(world.publish(service, "v1"), replicas=1)
    spec = replace(spec, pod=replace(spec.pod, resources=replace(spec.pod.resources, cpu="64")))
    world.cluster.apply(PRODUCTION, service, Track.STABLE, spec)
    seen = world.until(PRODUCTION, service, lambda status: bool(_stable(status).failure))
    hindered = [_stable(status) for status in seen if _stable(status).hindrance and not _stable(status).failure]
    assert hindered
    assert str(hindered[0].hindrance).startswith("no capacity: 0/1 nodes are available: 1 Insufficient cpu")
    assert str(_stable(seen[-1]).failure).startswith("no capacity:")


def test_a_used_up_quota_hinders(world: EmulatedWorld, service: str) -> None:
    words = "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"
    world.world.admission.append(_refuse_pods(service, words))
    world.cluster.apply(PRODUCTION, service, Track.STABLE, a_spec(world.publish(service, "v1"), replicas=1))
    last = world.until(PRODUCTION, service, lambda status: bool(_stable(status).hindrance))[-1]
    assert "quota: " in str(_stable(last).hindrance)
    assert _stable(last).failure is None


def test_pods_that_a_policy_refuses_are_a_failure(world: EmulatedWorld, service: str) -> None:
    world.world.admission.append(_refuse_pods(service, "denied by policy: unsigned image"))
    failure = _failing(world, service, a_spec(world.publish(service, "v1"), replicas=1))
    assert failure.startswith("admission refused: ")
    assert "unsigned image" in failure


def test_a_deployment_that_a_policy_refuses_is_refused(world: EmulatedWorld, service: str) -> None:
    world.world.admission.append(
        lambda operation, resource, document: "no deployments on Fridays" if resource.kind == "Deployment" else None
    )
    with pytest.raises(Refused, match="Fridays"):
        world.cluster.apply(PRODUCTION, service, Track.STABLE, a_spec(world.publish(service, "v1")))


def test_nothing_is_complete_while_the_deployment_controller_has_not_looked(world: EmulatedWorld, service: str) -> None:
    world.deployed(service)
    world.world.stalled.add("deployment")
    try:
        world.cluster.apply(PRODUCTION, service, Track.STABLE, a_spec(world.publish(service, "v2")))
        for _ in range(5):
            world.pause()
            assert not is_complete(world.cluster.observe(PRODUCTION, service).stable)
    finally:
        world.world.stalled.clear()


# Behind a gateway.


def test_a_gateway_has_exactly_the_weight_when_set_weight_returns(world: EmulatedWorld, service: str) -> None:
    route = Route(RouteKind.GATEWAY, "edge", "shop.example")
    stable = replace(a_spec(world.publish(service, "v1"), replicas=4), route=route)
    canary = replace(a_spec(world.publish(service, "v2"), replicas=1), route=route)
    world.cluster.apply(PRODUCTION, service, Track.STABLE, stable)
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    world.cluster.apply(PRODUCTION, service, Track.CANARY, canary)
    last = world.until(PRODUCTION, service, lambda status: is_complete(status.canary))[-1]
    assert (last.canary_weight_percent, last.url) == (0, "https://shop.example")
    world.cluster.set_weight(PRODUCTION, service, 7)
    assert world.cluster.observe(PRODUCTION, service).canary_weight_percent == 7
    accepted = world.api.get(HTTP_ROUTE, PRODUCTION, service)
    assert accepted is not None
    conditions = accepted["status"]["parents"][0]["conditions"]
    assert {each["observedGeneration"] for each in conditions} == {accepted["metadata"]["generation"]}
    world.cluster.remove(PRODUCTION, service, Track.CANARY)
    assert world.until(PRODUCTION, service, lambda status: status.canary is None)[-1].canary_weight_percent == 0


def test_a_canary_behind_a_gateway_grows_before_its_weight_does(world: EmulatedWorld, service: str) -> None:
    route = Route(RouteKind.GATEWAY, "edge")
    stable = replace(a_spec(world.publish(service, "v1"), replicas=4), route=route)
    world.cluster.apply(PRODUCTION, service, Track.STABLE, stable)
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    world.cluster.apply(PRODUCTION, service, Track.CANARY, replace(stable, replicas=1))
    world.until(PRODUCTION, service, lambda status: is_complete(status.canary))
    with pytest.raises(ToolUnavailable, match="gets 2 replicas"):
        world.cluster.set_weight(PRODUCTION, service, 50)
    assert world.cluster.observe(PRODUCTION, service).canary_weight_percent == 0
    world.until(PRODUCTION, service, lambda status: is_complete(status.canary))
    world.cluster.set_weight(PRODUCTION, service, 50)
    status = world.cluster.observe(PRODUCTION, service)
    assert status.canary is not None
    assert (status.canary_weight_percent, status.canary.spec.replicas) == (50, 2)


def _refuse_pods(service: str, words: str) -> Any:
    def admit(operation: str, resource: Any, document: Any) -> str | None:
        ours = document["metadata"].get("labels", {}).get("app.kubernetes.io/name") == service
        return words if resource.kind == "Pod" and operation == "CREATE" and ours else None

    return admit
