"""Where the scenarios run: a cluster, images for it, load on its services, and what its operators do to it."""

import json
import os
import secrets
import shlex
import subprocess
import tarfile
import tempfile
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
from shopkart_pipeline.adapters.kubernetes.kinds import (
    AUTOSCALER,
    BUDGET,
    CONFIG_MAP,
    DEPLOYMENT,
    LEASE,
    POD,
    SERVICE,
    Kind,
)
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline_tests.contract.cluster_worlds import ImageParts, sample_image
from shopkart_pipeline_tests.contract.kubernetes_worlds import HeldRegistry
from shopkart_pipeline_tests.docker_base import python_base_layer, python_base_variables
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fake_builder import write_image
from shopkart_pipeline_tests.fakes.fast_clock import FastClock
from shopkart_pipeline_tests.fakes.kubernetes_server.network import Network, load_on, running_network

KUBECONFIG = os.environ.get("SHOPKART_TEST_KUBECONFIG")
_LOADER = Path(__file__).with_name("load_pod.py")
_SPEED = 5.0
_REPOSITORY = "shopkart-test/replica"
_LOADED_NAME = f"shopkart.test/{_REPOSITORY}"
LOAD_COMMAND = f"ctr -n k8s.io images import --digests --base-name {_LOADED_NAME} {{archive}}"
"""Puts an image onto the node that is this machine."""
OURS = (
    DEPLOYMENT,
    AUTOSCALER,
    BUDGET,
    SERVICE,
    CONFIG_MAP,
    LEASE,
    POD,
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
)


@dataclass
class Counted:
    """What became of requests."""

    sent: int = 0
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

    @property
    @abstractmethod
    def namespace(self) -> str:
        """Where everything is."""

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something."""
        deadline = time.monotonic() + self.patience_seconds
        while not holds():
            assert time.monotonic() < deadline, "it never came to that"
            self.clock.sleep(0.5)

    def evict(self, pod: str) -> bool:
        """Ask for a pod to be moved away; False while its disruption budget does not allow it."""
        import kubernetes

        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.namespace}}
        try:
            kubernetes.client.CoreV1Api(self.connection.client()).create_namespaced_pod_eviction(
                pod, self.namespace, body
            )
        except kubernetes.client.ApiException as error:
            if error.status not in (404, 429):
                raise
            return bool(error.status == 404)
        return True

    def cordon(self, node: str, cordoned: bool) -> bool:
        """Keep new pods off a node, or let them on it again; False where that is not ours to do, or there is no other
        node for them."""
        import kubernetes

        core = kubernetes.client.CoreV1Api(self.connection.client())
        try:
            nodes = [each for each in core.list_node().items if not each.spec.unschedulable]
            if cordoned and len(nodes) < 2:
                return False
            core.patch_node(node, {"spec": {"unschedulable": cordoned}})
        except kubernetes.client.ApiException as error:
            if error.status != 403:
                raise
            return False
        return True

    def autoscale_to(self, service: str, replicas: int) -> None:
        """What an autoscaler does: write another number by the `scale` subresource."""
        import kubernetes

        apps = kubernetes.client.AppsV1Api(self.connection.client())
        apps.patch_namespaced_deployment_scale(
            service, self.namespace, {"spec": {"replicas": replicas}}, field_manager="autoscaler"
        )


class EmulatedBed(Bed):
    """The tests' own cluster, five times as fast."""

    environment, patience_seconds, namespace = "check", 60.0, "check"

    def __init__(self, world: emulator.KubernetesWorld, network: Network, kubeconfig: Path) -> None:
        self.world, self.network, self.clock = world, network, world.clock
        self.registry = HeldRegistry()
        self.connection = Connection(Access(kubeconfig=str(kubeconfig)), SystemClock())
        self.api = KubernetesApi(self.connection, SystemClock())

    def publish(self, version: str, **behaviour: Any) -> str:
        digest = f"sha256:{sha256(version.encode()).hexdigest()}"
        self.registry.held.add(digest)
        self.world.behave(emulator.Behaviour(stop_seconds=2.0, **behaviour), image=digest)
        return digest

    def worker(self) -> KubernetesCluster:
        return KubernetesCluster(self.api, self.registry, self.clock, Surroundings("check", route_seconds=20.0))

    @contextmanager
    def load(self, service: str) -> Generator[Counted]:
        counted = Counted()
        self.until(lambda: self.network.known_endpoints(self.namespace, service) > 0)
        with load_on(self.network, self.network.service(self.namespace, service)) as load:
            time.sleep(0.3)
            yield counted
            time.sleep(0.5)
        counted.sent, counted.failures = load.sent, load.failures
        counted.versions = Counter({image.partition("@")[2]: number for image, number in load.images.items()})


class PushedImages:
    """Images of the sample application that a real cluster can pull, or that were loaded into it."""

    def __init__(self, folder: Path, registry: str | None, load_command: str | None) -> None:
        self._folder, self._command = folder, load_command or LOAD_COMMAND
        self._base = ImageParts((python_base_layer(),), tuple(python_base_variables()))
        self.registry: ImageRegistry = LoadedImages()
        if registry is not None:
            here = registry.partition(":")[0] in ("localhost", "127.0.0.1")
            address = registry if "://" in registry else f"{'http' if here else 'https'}://{registry}"
            login = os.environ.get("SHOPKART_REGISTRY_USER"), os.environ.get("SHOPKART_REGISTRY_PASSWORD")
            named = (login[0], login[1]) if login[0] and login[1] else None
            self.registry = OciHttpRegistry.at(address, named, folder / "places")

    def publish(self, repository: str, version: str, **behaviour: Any) -> str:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            layout, archive = Path(folder, "layout"), Path(folder, "image.tar")
            digest, _ = write_image(layout, *sample_image({"version": version, **behaviour}, self._base))
            if not isinstance(self.registry, LoadedImages):
                return self.registry.push(layout, repository, digest.removeprefix("sha256:")[:32])
            with tarfile.open(archive, "w") as tar:
                tar.add(layout, ".")
            subprocess.run(shlex.split(self._command.format(archive=archive)), check=True, timeout=300)
            self.registry.held.add(digest)
            return digest

    def close(self) -> None:
        if isinstance(self.registry, OciHttpRegistry):
            self.registry.close()


class LoadedImages(HeldRegistry):
    """Images that were put on the nodes, all under one name."""

    def reference(self, repository: str, digest: str) -> str:
        return f"{_LOADED_NAME}@{digest}"


class RealBed(Bed):
    """A real cluster, in one namespace, where everything carries a label of its own and is removed at the end."""

    patience_seconds = 300.0

    def __init__(self, images: PushedImages, kubeconfig: str, namespace: str) -> None:
        self.environment, self.clock = f"check-{secrets.token_hex(3)}", SystemClock()
        self.images, self._namespace = images, namespace
        self.connection = Connection(Access(kubeconfig=kubeconfig), self.clock)
        self.api = KubernetesApi(self.connection, self.clock)

    @property
    def namespace(self) -> str:
        return self._namespace

    def publish(self, version: str, **behaviour: Any) -> str:
        return self.images.publish(_REPOSITORY, version, **behaviour)

    def worker(self) -> KubernetesCluster:
        return KubernetesCluster(self.api, _OneRepository(self.images.registry), self.clock, self.around)

    @property
    def around(self) -> Surroundings:
        return Surroundings(self._namespace)

    @contextmanager
    def load(self, service: str) -> Generator[Counted]:
        address = self.api.get(SERVICE, self._namespace, service)
        assert address is not None
        name, counted = f"load-{secrets.token_hex(3)}", Counted()
        self.api.create(POD, self._namespace, self._load_pod(name, f"http://{address['spec']['clusterIP']}/"))
        try:
            self.until(lambda: bool(self._counts(name).get("sent")))
            yield counted
            self.clock.sleep(3.0)
            told = self._counts(name)
        finally:
            self.api.delete(POD, self._namespace, name)
        counted.sent = told["sent"]
        counted.failures = [f"{words} ({number} times)" for words, number in told["failures"].items()]
        counted.versions = Counter(told["versions"])

    def _counts(self, pod: str) -> dict[str, Any]:
        lines = self.api.log(self._namespace, pod, 1, 65536, previous=False).splitlines()
        return json.loads(lines[-1]) if lines else {}

    def _load_pod(self, name: str, address: str) -> dict[str, Any]:
        image = self.images.registry.reference(_REPOSITORY, self.publish("load"))
        container = {
            "name": "load",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", _LOADER.read_text(), address, "50"],
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        who = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"restartPolicy": "Never", "securityContext": who, "containers": [container]}
        spec |= {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
        labels = {"app.kubernetes.io/instance": self.environment}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}

    def clean_up(self) -> None:
        """Remove everything that carries our label."""
        for kind in OURS:
            for each in self.api.list(kind, self._namespace, f"app.kubernetes.io/instance={self.environment}"):
                self.api.delete(kind, self._namespace, each["metadata"]["name"])


class _OneRepository(HeldRegistry):
    """Every service's images in the one repository that the checks push to."""

    def __init__(self, registry: ImageRegistry) -> None:
        super().__init__()
        self._registry = registry

    def has(self, repository: str, digest: str) -> bool:
        return self._registry.has(_REPOSITORY, digest)

    def reference(self, repository: str, digest: str) -> str:
        return self._registry.reference(_REPOSITORY, digest)


def namespace_of(kubeconfig: str) -> str:
    """That of the kubeconfig's context."""
    import kubernetes

    _, active = kubernetes.config.list_kube_config_contexts(config_file=kubeconfig)
    return str(active["context"].get("namespace", "default"))


@contextmanager
def an_emulated_bed(folder: Path) -> Generator[EmulatedBed]:
    """A running emulated cluster with two nodes, whose proxies are as late as real ones."""
    world = emulator.KubernetesWorld(FastClock(_SPEED), emulator.Pace(endpoints_lag=0.3, proxy_lag=1.0))
    world.add_namespace("check")
    world.add_node("node2")
    with ExitStack() as stack:
        network = stack.enter_context(running_network(world))
        address = stack.enter_context(emulator.running_kubernetes(world))
        kubeconfig = emulator.write_kubeconfig(folder / "kubeconfig", address, world.token, "check")
        bed = EmulatedBed(world, network, kubeconfig)
        stack.callback(bed.connection.close)
        yield bed


@contextmanager
def a_real_bed(folder: Path, registry: str | None, load_command: str | None) -> Generator[RealBed]:
    """The cluster that SHOPKART_TEST_KUBECONFIG names."""
    assert KUBECONFIG, "SHOPKART_TEST_KUBECONFIG names no cluster."
    bed = RealBed(PushedImages(folder, registry, load_command), KUBECONFIG, namespace_of(KUBECONFIG))
    try:
        yield bed
    finally:
        bed.clean_up()
        bed.connection.close()
        bed.images.close()
