"""Where the scenarios run: a cluster, images for it, load on its services, and what its operators do to it."""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.cluster import KubernetesCluster, Surroundings
from shopkart_pipeline.adapters.kubernetes.connection import Access, Connection
from shopkart_pipeline.adapters.kubernetes.kinds import DEPLOYMENT, POD
from shopkart_pipeline.adapters.kubernetes.workload import autoscaler
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline_tests.cluster import needs
from shopkart_pipeline_tests.contract.kubernetes_worlds import HeldRegistry
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fast_clock import FastClock
from shopkart_pipeline_tests.fakes.kubernetes_server.network import Network, load_on, running_network

_SPEED = 5.0
_NODES = "/api/v1/nodes"
_KEEPS_PODS_OFF = ("NoSchedule", "NoExecute")


@dataclass
class Counted:
    """What became of requests."""

    sent: int = 0
    seconds: float = 0.0
    """How long requests were sent for."""
    failures: list[str] = field(default_factory=list[str])
    versions: Counter[str] = field(default_factory=Counter[str])
    """Answers by version."""


class Bed(ABC):
    """A cluster with everything around it. Scenarios take a service of their own."""

    environment: str
    clock: Clock
    api: KubernetesApi
    connection: Connection
    patience_seconds: float
    """By this machine's clock, for anything to come true."""
    around: Surroundings
    tick_seconds: float
    """Between two looks of a worker, by the bed's clock."""
    startup_deadline_seconds: float
    pre_stop_seconds: float
    kubeconfig: str

    @abstractmethod
    def publish(self, version: str, **behaviour: Any) -> str:
        """An image of the sample application; returns its digest."""

    @abstractmethod
    def worker(self) -> KubernetesCluster:
        """The port as a process of its own would have it."""

    @abstractmethod
    @contextmanager
    def load(self, service: str) -> Generator[Counted]:
        """Send requests to a service meanwhile; the counts are there at the end."""
        yield Counted()

    @abstractmethod
    def image(self) -> str:
        """An image of the sample application as the nodes call it; it has Python, and nothing of the pipeline."""

    @property
    @abstractmethod
    def namespace(self) -> str:
        """Where everything is."""

    def until(self, holds: Callable[[], bool], what: str = "that") -> None:
        """Wait for something. An API that is busy for a while is asked again."""
        deadline, trouble = time.monotonic() + self.patience_seconds, ""
        while True:
            try:
                if holds():
                    return
                trouble = ""
            except ToolUnavailable as error:
                trouble = f": {error}"
            assert time.monotonic() < deadline, f"it never came to {what}{trouble}"
            self.clock.sleep(0.5)

    def evict(self, pod: str) -> bool:
        """Ask for a pod to be moved away; False while its disruption budget does not allow it."""
        import kubernetes

        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.namespace}}
        try:
            core = kubernetes.client.CoreV1Api(self.connection.client())
            core.create_namespaced_pod_eviction(pod, self.namespace, body)
        except kubernetes.client.ApiException as error:
            if error.status not in (404, 429):
                raise
            return bool(error.status == 404)
        return True

    def why_no_eviction(self) -> str | None:
        """Why pods can't be moved away here, or None."""
        return None

    def why_not_cordoned(self, node: str) -> str | None:
        """Keep new pods off a node; a reason where that is not ours to do, or would leave none for them."""
        if not all(needs.may(self.api, "", "", "nodes", verb) for verb in ("list", "patch")):
            return "this account may not cordon nodes"
        nodes = {each["metadata"]["name"]: each for each in self.api._json("GET", _NODES)["items"]}
        if nodes[node]["spec"].get("unschedulable"):
            return "it was cordoned before"
        if not any(_takes_pods(each) for name, each in nodes.items() if name != node):
            return "no other node takes pods"
        self._set_unschedulable(node, True)
        return None

    def uncordon(self, node: str) -> None:
        """Let new pods on a node again."""
        self.until(lambda: self._set_unschedulable(node, False), "the node being uncordoned")

    def bound_autoscaler(self, service: str, spec: WorkloadSpec, *, only_up: bool = False) -> None:
        """Give the autoscaler other bounds, and wait until it has scaled by them: that takes no metrics."""
        assert spec.autoscale is not None
        manifest = autoscaler(self.around.place(self.environment, service, f"any@{spec.digest}"), spec, only_up=only_up)
        assert manifest is not None
        self.api.apply(manifest)
        bounds = range(spec.autoscale.minimum, spec.autoscale.maximum + 1)

        def scaled() -> bool:
            live = self.api.get(DEPLOYMENT, self.namespace, service)
            return live is not None and live["spec"]["replicas"] in bounds

        self.until(scaled, "the autoscaler keeping to its bounds")

    def pods(self, service: str) -> list[dict[str, Any]]:
        """The pods of a service that stay."""
        found = self.api.list(POD, self.namespace, f"app.kubernetes.io/name={service}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _set_unschedulable(self, node: str, unschedulable: bool) -> bool:
        patch = {"spec": {"unschedulable": unschedulable}}
        self.api._json("PATCH", f"{_NODES}/{node}", {}, patch, "application/merge-patch+json")
        return True


def _takes_pods(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions", [])
    ready = any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
    tainted = any(each["effect"] in _KEEPS_PODS_OFF for each in node["spec"].get("taints", []))
    return ready and not tainted and not node["spec"].get("unschedulable")


class EmulatedBed(Bed):
    """The tests' own cluster, five times as fast."""

    environment, patience_seconds, namespace = "check", 60.0, "check"
    around, tick_seconds = Surroundings("check", route_seconds=20.0), 0.25
    startup_deadline_seconds, pre_stop_seconds = 20.0, 5.0

    def __init__(self, world: emulator.KubernetesWorld, network: Network, kubeconfig: Path) -> None:
        self.world, self.network, self.clock = world, network, world.clock
        self.registry, self.kubeconfig = HeldRegistry(), str(kubeconfig)
        self.connection = Connection(Access(kubeconfig=self.kubeconfig), SystemClock())
        self.api = KubernetesApi(self.connection, SystemClock())

    def publish(self, version: str, **behaviour: Any) -> str:
        digest = f"sha256:{sha256(version.encode()).hexdigest()}"
        self.registry.held.add(digest)
        self.world.behave(emulator.Behaviour(stop_seconds=2.0, **behaviour), image=digest)
        return digest

    def image(self) -> str:
        return f"registry.example/replica@sha256:{sha256(b'load').hexdigest()}"

    def worker(self) -> KubernetesCluster:
        return KubernetesCluster(self.api, self.registry, self.clock, self.around)

    @contextmanager
    def load(self, service: str) -> Generator[Counted]:
        counted = Counted()
        self.until(lambda: self.network.known_endpoints(self.namespace, service) > 0)
        began = time.monotonic()
        with load_on(self.network, self.network.service(self.namespace, service)) as load:
            time.sleep(0.3)
            yield counted
            time.sleep(0.5)
        counted.seconds = time.monotonic() - began
        counted.sent, counted.failures = load.sent, load.failures
        counted.versions = Counter({image.partition("@")[2]: number for image, number in load.images.items()})


@contextmanager
def an_emulated_bed(folder: Path) -> Generator[EmulatedBed]:
    """A running emulated cluster with two nodes, whose proxies are as late as real ones."""
    world = emulator.KubernetesWorld(
        FastClock(_SPEED), emulator.Pace(endpoints_lag=0.3, proxy_lag=1.0, autoscaling=3.0)
    )
    world.add_namespace("check")
    world.add_node("node2")
    with ExitStack() as stack:
        network = stack.enter_context(running_network(world))
        address = stack.enter_context(emulator.running_kubernetes(world))
        kubeconfig = emulator.write_kubeconfig(folder / "kubeconfig", address, world.token, "check")
        bed = EmulatedBed(world, network, kubeconfig)
        stack.callback(bed.connection.close)
        yield bed
