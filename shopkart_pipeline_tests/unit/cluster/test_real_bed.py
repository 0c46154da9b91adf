"""What the checks on a real cluster do before, after and beside the scenarios, tried on the emulated one."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters.kubernetes.kinds import CONFIG_MAP, DEPLOYMENT, POD
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.cluster import images, leftovers, needs
from shopkart_pipeline_tests.cluster.images import ImageWays, PushedImages
from shopkart_pipeline_tests.cluster.real_bed import LOADER, RealBed
from shopkart_pipeline_tests.contract.cluster_worlds import OF_THIS_RUN, a_service, a_spec
from shopkart_pipeline_tests.contract.kubernetes_worlds import HeldRegistry
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fast_clock import FastClock
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import NODE

_NAMESPACE = "shared"
_DOCUMENTATION = Path(__file__).parents[3] / "docs" / "cluster-tests.md"
Cluster = tuple[emulator.KubernetesWorld, str, Path]


class Images:
    """Images that are on the nodes already."""

    def __init__(self) -> None:
        self.registry = HeldRegistry()

    def publish(self, version: str) -> str:
        digest = f"sha256:{version.encode().hex():0<64}"
        self.registry.held.add(digest)
        return digest

    def reference(self, digest: str) -> str:
        return f"registry.example/replica@{digest}"


class Bed(RealBed):
    """The bed as it is, beside a faster cluster."""

    patience_seconds = 10.0

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(Images(), str(kubeconfig), _NAMESPACE)
        self.clock = FastClock(20.0)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    world = emulator.KubernetesWorld(FastClock(20.0))
    world.add_namespace(_NAMESPACE)
    with emulator.running_kubernetes(world) as address:
        yield world, address, tmp_path_factory.mktemp("kubeconfigs")


@contextmanager
def _bed_of(cluster: Cluster, token: str) -> Generator[Bed]:
    _, address, folder = cluster
    bed = Bed(emulator.write_kubeconfig(folder / token, address, token, _NAMESPACE))
    try:
        yield bed
    finally:
        bed.connection.close()


@pytest.fixture
def bed(cluster: Cluster) -> Generator[Bed]:
    with _bed_of(cluster, cluster[0].token) as made:
        yield made


def test_all_that_an_account_lacks_is_told_at_once(cluster: Cluster) -> None:
    refused = {("create", "leases"), ("list", "endpointslices"), ("get", "pods/log"), ("create", "pods/eviction")}
    token = cluster[0].add_user("tester", lambda verb, group, resource, namespace: (verb, resource) not in refused)
    with _bed_of(cluster, token) as bed:
        with pytest.raises(AssertionError) as lacking:
            bed.check_rights()
        assert "get pods/log; list endpointslices.discovery.k8s.io; create leases.coordination.k8s.io" in str(lacking)
        assert bed.why_no_eviction() == "this account may not evict pods"


def test_an_account_with_the_documented_role_lacks_nothing(cluster: Cluster) -> None:
    (block,) = [each for each in _DOCUMENTATION.read_text().split("```")[1::2] if "kind: Role\n" in each]
    role = next(each for each in yaml.safe_load_all(block.removeprefix("yaml")) if each["kind"] == "Role")
    allowed = {
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    token = cluster[0].add_user("tester", lambda verb, group, resource, _: (verb, group, resource) in allowed)
    with _bed_of(cluster, token) as bed:
        bed.check_rights()
        assert bed.why_no_eviction() is None
        assert bed.why_not_cordoned("node1") == "this account may not cordon nodes"
    asked = {(verb, *where) for where, verbs in needs.NEEDED.items() for verb in verbs.split()}
    assert allowed == asked | {("create", *needs.EVICTION)}


@pytest.mark.parametrize("behind", ["unready", "tainted", "cordoned", None])
def test_a_node_is_not_cordoned_where_no_other_would_take_its_pods(cluster: Cluster, behind: str | None) -> None:
    world = emulator.KubernetesWorld(FastClock(20.0))
    first = world.list(NODE)[0]["metadata"]["name"]
    world.add_node("second")
    with world.lock:
        second = world.find(NODE, "", "second")
        match behind:
            case "unready":
                second["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
            case "tainted":
                taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
                second["spec"]["taints"] = [taint]
            case "cordoned":
                second["spec"]["unschedulable"] = True
            case _:
                pass
        world.store.update(NODE, second)
    with emulator.running_kubernetes(world) as address, _bed_of((world, address, cluster[2]), world.token) as bed:
        reason = bed.why_not_cordoned(first)
        assert reason == (None if behind is None else "no other node takes pods")
        assert bed.why_not_cordoned(first) == ("it was cordoned before" if behind is None else reason)
        if behind is None:
            bed.uncordon(first)
            assert not world.find(NODE, "", first)["spec"].get("unschedulable")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (emulator.Behaviour(pull_error="manifest unknown"), "image can't be pulled"),
        (emulator.Behaviour(exit_code=1, log="exec /usr/bin/python: exec format error\n"), "exec format error"),
    ],
)
def test_a_cluster_that_can_not_run_our_image_is_told_before_anything_else(
    cluster: Cluster, bed: Bed, behaviour: emulator.Behaviour, words: str
) -> None:
    cluster[0].behave(behaviour, command="hello")
    with pytest.raises(AssertionError, match=words):
        bed.prepare()
    cluster[0].behave(emulator.Behaviour(exit_code=0), command="hello")
    bed.clean_up()
    bed.prepare()
    assert bed.api.list(POD, _NAMESPACE) == []


def test_a_run_removes_its_own_and_what_is_old_and_nothing_else(bed: Bed, cluster: Cluster) -> None:
    ours, theirs = f"{a_service()}", f"shop-{'0' * 8}"
    worker, digest = bed.worker(), bed.publish("1")
    for environment, service in ((bed.environment, ours), ("production", ours), ("production", theirs)):
        name = service if environment == "production" else f"{service}x"
        worker.apply(environment, name, Track.STABLE, a_spec(digest, replicas=1, GREETING="hello"))
        worker.save_rollout(environment, name, "{}")
    people = {"name": "people", "labels": {"app.kubernetes.io/instance": "production"}}
    bed.api.create(CONFIG_MAP, _NAMESPACE, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": people})

    def there() -> set[str]:
        return {each["metadata"]["name"] for each in bed.api.list(DEPLOYMENT, _NAMESPACE)}

    bed.clean_up()
    assert there() == {ours, theirs}
    leftovers.remove(bed.api, _NAMESPACE, lambda _, service: service.startswith(OF_THIS_RUN))
    assert there() == {theirs}
    leftovers.sweep(bed.api, _NAMESPACE)
    assert there() == {theirs}
    leftovers.remove(bed.api, _NAMESPACE, leftovers.is_of_any_run, datetime(2100, 1, 1, tzinfo=UTC))
    assert there() == set()
    left = {each["metadata"]["name"] for each in bed.api.list(CONFIG_MAP, _NAMESPACE)}
    assert left == {"people"}


def _load(bed: Bed, monkeypatch: pytest.MonkeyPatch, said: list[dict[str, Any]]) -> Any:
    service = a_service()
    spec = {"ports": [{"port": 80}]}
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": _NAMESPACE}}
    bed.api.apply({**document, "spec": spec})
    lines = iter(said)
    monkeypatch.setattr(bed, "_said", lambda pod: next(lines))
    return bed.load(service)


def test_a_request_that_nobody_answers_is_waited_for(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: dict[str, Any] = {"sent": 900, "failures": {}, "versions": {"1": 900}}
    said = [
        {"sent": 0, "before": "URLError: refused"},
        {"sent": 1, "seconds": 1.0, "oldest_seconds": 0.0},
        {**counts, "seconds": 20.0, "oldest_seconds": 0.5},
        {},
        {**counts, "seconds": 24.0, "oldest_seconds": 4.5},
        {**counts, "seconds": 29.0, "oldest_seconds": 9.5},
        {"sent": 901, "failures": {"TimeoutError": 1}, "versions": {}, "seconds": 30.0, "oldest_seconds": 0.1},
    ]
    with _load(bed, monkeypatch, said) as counted:
        pass
    assert (counted.sent, counted.seconds, counted.failures) == (901, 30.0, ["TimeoutError (1 times)"])
    assert [pod for pod in bed.api.list(POD, _NAMESPACE) if "deletionTimestamp" not in pod["metadata"]] == []


def test_a_service_that_never_answers_is_told_with_the_last_reason(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bed, "patience_seconds", 0.2)
    refused = _load(bed, monkeypatch, [{"sent": 0, "before": "TimeoutError: timed out"}, {}, *[{}] * 99])
    with pytest.raises(AssertionError, match="it said last: TimeoutError: timed out"), refused:
        pass


def test_a_pod_that_stops_sending_is_no_success(bed: Bed, cluster: Cluster) -> None:
    service = a_service()
    bed.worker().apply(bed.environment, service, Track.STABLE, a_spec(bed.publish("1"), replicas=1))
    line = json.dumps({"sent": 5, "failures": {}, "versions": {}, "seconds": 9.0, "oldest_seconds": 0.0})
    cluster[0].behave(emulator.Behaviour(exit_code=137, exit_seconds=20.0, log=line), command="under_way")
    with pytest.raises(AssertionError, match=f"{bed.environment}-load-.* failed"), bed.load(service):
        pass
    bed.clean_up()


class Flaky(http.server.BaseHTTPRequestHandler):
    """Refuses at first, then answers, cuts one answer short, fails once, and answers on."""

    answers = 0

    def do_GET(self) -> None:
        Flaky.answers += 1
        body = json.dumps({"version": "one"}).encode()
        self.send_response(503 if Flaky.answers in (1, 40) else 200)
        self.send_header("Content-Length", str(len(body) + (Flaky.answers == 50)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_the_pod_counts_every_failure_and_none_from_before_the_first_answers() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    command = [sys.executable, "-c", LOADER.read_text(), f"http://127.0.0.1:{server.server_port}/", "100"]
    pod = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = {}
    try:
        assert pod.stdout is not None
        for line in pod.stdout:
            told = json.loads(line)
            if told["sent"] >= 60:
                break
    finally:
        pod.kill()
        pod.communicate()
        server.shutdown()
        thread.join()
        server.server_close()
    assert sum(told["failures"].values()) == 2
    assert any("503" in words for words in told["failures"])
    assert any("IncompleteRead" in words for words in told["failures"])
    assert told["versions"]["one"] == told["sent"] - 2
    assert told["oldest_seconds"] < told["seconds"]


@pytest.mark.parametrize(
    ("ways", "reference"),
    [
        (ImageWays("localhost:5000"), "localhost:5000/shopkart-test/replica@d"),
        (ImageWays("http://10.0.0.9:5000/", None), "10.0.0.9:5000/shopkart-test/replica@d"),
        (ImageWays("ghcr.io/shop/tests"), "ghcr.io/shop/tests/shopkart-test/replica@d"),
        (ImageWays("localhost:5000", "registry:5000"), "registry:5000/shopkart-test/replica@d"),
        (ImageWays(load_command="load {archive}"), "shopkart.test/shopkart-test/replica@d"),
    ],
)
def test_nodes_are_told_the_name_that_they_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ways: ImageWays, reference: str
) -> None:
    monkeypatch.setattr(images, "python_base_layer", lambda: b"")
    made = images.ClusterImages(tmp_path, ways, "any")
    assert made.reference("d") == reference
    assert isinstance(made.registry, PushedImages) == (ways.registry is not None)
    made.close()


def test_an_image_is_loaded_once_and_a_command_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "python_base_layer", lambda: b"")
    loaded = tmp_path / "loaded"
    script = f'tar -xOf "$1" ./index.json >> {loaded}; echo >> {loaded}'
    ways = ImageWays(load_command=f"sh -c '{script}' sh {{archive}}")
    made = images.ClusterImages(tmp_path, ways, "any")
    assert made.publish("1") == made.publish("1") != made.publish("2")
    indexes = [json.loads(line) for line in loaded.read_text().splitlines()]
    assert [set(index["manifests"][0]) for index in indexes] == [{"mediaType", "digest", "size"}] * 2
    assert made.registry.has("any", made.publish("1"))
    broken = images.ClusterImages(tmp_path, ImageWays(load_command="sh -c 'echo no socket >&2; exit 1'"), "any")
    with pytest.raises(AssertionError, match="no socket"):
        broken.publish("1")
