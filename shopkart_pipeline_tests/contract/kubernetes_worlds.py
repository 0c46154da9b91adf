"""The cluster port's contract on Kubernetes: on an emulated cluster, whose clock runs twenty times as fast."""

import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.cluster import KubernetesCluster, Surroundings
from shopkart_pipeline.adapters.kubernetes.connection import Access, Connection
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline_tests.contract.cluster_worlds import World
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fake_registry import FakeRegistry
from shopkart_pipeline_tests.fakes.fast_clock import FastClock

SPEED = 20.0
NAMESPACES = ("production", "staging")


class HeldRegistry(FakeRegistry):
    """Holds the digests that it was told."""

    name = "held"

    def __init__(self) -> None:
        super().__init__()
        self.held: set[str] = set()

    def has(self, repository: str, digest: str) -> bool:
        return digest in self.held


class EmulatedWorld(World):
    """A cluster of the tests' own."""

    def __init__(self, world: emulator.KubernetesWorld, api: KubernetesApi) -> None:
        self.world, self.api, self.registry = world, api, HeldRegistry()
        self.cluster = KubernetesCluster(
            api, self.registry, world.clock, Surroundings(settle_seconds=0.5, route_seconds=100.0)
        )

    def publish(self, service: str, version: str, behaviour: Behaviour = Behaviour.GETS_READY) -> str:
        digest = f"sha256:{sha256(f'{service} {version}'.encode()).hexdigest()}"
        self.registry.held.add(digest)
        match behaviour:
            case Behaviour.GETS_READY:
                self.world.behave(emulator.Behaviour(), image=digest)
            case Behaviour.CRASHES:
                self.world.behave(emulator.Behaviour(exit_code=7, log="starting\nno database\n"), image=digest)
            case Behaviour.STALLS | Behaviour.FAILS_TO_START:
                self.world.behave(emulator.Behaviour(ready=False), image=digest)
        return digest

    def foresee(self, command: tuple[str, ...], exit_code: int | None, *lines: str) -> None:
        told = "".join(f"{line}\n" for line in lines)
        self.world.behave(emulator.Behaviour(exit_code=exit_code, log=told), command=command[-1])

    def near(self, weight_percent: int) -> int:
        return 50 if weight_percent else 0

    def pause(self) -> None:
        time.sleep(0.02)

    def now(self) -> datetime:
        return self.world.clock.now()

    def send(self, environment: str, service: str, requests: int) -> None:
        raise NotImplementedError

    def log_error(self, environment: str, service: str, message: str, signature: str) -> None:
        raise NotImplementedError


@contextmanager
def an_emulated_world(home: Path, speed: float = SPEED) -> Generator[EmulatedWorld]:
    """A running emulated cluster with a namespace for each environment."""
    world = emulator.KubernetesWorld(FastClock(speed))
    for namespace in NAMESPACES:
        world.add_namespace(namespace)
    with emulator.running_kubernetes(world) as address:
        kubeconfig = emulator.write_kubeconfig(home / "kubeconfig", address, world.token)
        connection = Connection(Access(kubeconfig=str(kubeconfig)), SystemClock())
        with closing(connection):
            yield EmulatedWorld(world, KubernetesApi(connection, SystemClock()))
