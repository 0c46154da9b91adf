"""What this cluster knows: its objects, who may do what, how images behave, and what is about to go wrong.

Tests look at it and change it between requests. Time is the world's clock: either it runs by itself (a loop thread
steps the controllers), or a test advances it and calls `step`."""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline_tests.fakes.github_server.trouble import Troubles
from shopkart_pipeline_tests.fakes.github_server.world import Seen
from shopkart_pipeline_tests.fakes.kubernetes_server.behaviour import Behaviour, Behaviours
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import NAMESPACE, NODE, SERVICE_ACCOUNT, Resource
from shopkart_pipeline_tests.fakes.kubernetes_server.store import Store, copied

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names."""


@dataclass(frozen=True)
class User:
    """Somebody with a token."""

    name: str
    may: Callable[[str, str, str, str], bool] = lambda verb, group, resource, namespace: True
    """By verb, API group, resource (`pods/log` for a subresource) and namespace."""


@dataclass
class Pace:
    """How long things take, in seconds."""

    endpoints_lag: float = 0.01
    """From a pod's change to the EndpointSlice that shows it."""
    proxy_lag: float = 0.02
    """From the EndpointSlice to the proxies that route by it."""
    gateway_lag: float = 0.05
    """From an HTTPRoute's change to the gateway that routes by it."""
    removal: float = 0.6
    """From a pod's end to its disappearance."""
    autoscaling: float = 15.0
    """Between two looks of the autoscaler."""
    bookmark: float = 60.0
    """Between two bookmarks of a watch."""


Admission = Callable[[str, Resource, Document], str | None]
"""Operation (`CREATE`, `UPDATE`), resource, object: why it is refused, or None."""


@dataclass
class KubernetesWorld:
    """The whole of it."""

    clock: Clock
    pace: Pace = field(default_factory=Pace)
    behaviours: Behaviours = field(default_factory=Behaviours)
    users: dict[str, User] = field(default_factory=dict[str, User])
    """By token."""
    admission: list[Admission] = field(default_factory=list[Admission])
    stalled: set[str] = field(default_factory=set[str])
    """Names of controllers that do nothing: `deployment`, `replicaset`, `scheduler`, `kubelet`, `endpoints`, …"""
    cpu_percent: Callable[[str, str], float | None] = lambda namespace, deployment: None
    """The utilisation that an autoscaler sees; None: no metrics."""
    troubles: Troubles = field(default_factory=Troubles)
    requests: list[Seen] = field(default_factory=list[Seen])
    memory: dict[Any, Any] = field(default_factory=dict[Any, Any])
    """What controllers keep between two steps."""
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    watches_cut: int = 0
    """How often all watches were cut off."""
    pod_network: str = "10.244"
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.stamp)
        self.token = self.add_user("shopkart")
        for namespace in ("default", "kube-system"):
            self.add_namespace(namespace)
        self.add_node("node1")

    @property
    def lock(self) -> Any:
        return self.store.lock

    def now(self) -> datetime:
        return self.clock.now()

    def stamp(self) -> str:
        """The time as Kubernetes writes it: whole seconds."""
        return f"{self.now():%Y-%m-%dT%H:%M:%SZ}"

    def stamp_micro(self) -> str:
        return f"{self.now():%Y-%m-%dT%H:%M:%S.%fZ}"

    def stamp_after(self, seconds: float) -> str:
        return f"{self.now() + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"

    def seconds_since(self, stamp: str) -> float:
        """How long ago a time as Kubernetes writes it was."""
        return (self.now() - datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)).total_seconds()

    def suffix(self, length: int = 5) -> str:
        """The random end of a generated name."""
        return "".join(self.chance.choices(ALPHABET, k=length))

    def add_user(self, name: str, may: Callable[[str, str, str, str], bool] | None = None) -> str:
        """Make a user; gives a token."""
        token = f"k8s-{secrets.token_hex(16)}"
        self.users[token] = User(name) if may is None else User(name, may)
        return token

    def add_namespace(self, name: str) -> None:
        labels = {"kubernetes.io/metadata.name": name}
        spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
        with self.lock:
            self.store.create(NAMESPACE, _object("v1", "Namespace", {"name": name, "labels": labels}, spec, status))
            account = {"apiVersion": "v1", "kind": "ServiceAccount"}
            self.store.create(SERVICE_ACCOUNT, {**account, "metadata": {"name": "default", "namespace": name}})

    def add_node(self, name: str, cpu: str = "4", memory: str = "8Gi", pods: str = "110") -> None:
        can = {"cpu": cpu, "memory": memory, "pods": pods}
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }
        status = {"capacity": can, "allocatable": can, "conditions": [ready]}
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        with self.lock:
            self.store.create(NODE, _object("v1", "Node", {"name": name, "labels": labels}, {}, status))

    def cut_watches(self) -> None:
        """Drop the connections of all watches that are open now."""
        with self.lock:
            self.watches_cut += 1
            for listener in self.store.listeners:
                listener()

    def behave(self, behaviour: Behaviour, image: str = "", command: str = "") -> None:
        """Let containers whose image and command contain these behave so, from now on."""
        self.behaviours.set(behaviour, image, command)

    def find(self, resource: Resource, namespace: str, name: str) -> Document:
        """A copy of an object that must be there."""
        with self.lock:
            found = self.store.get(resource, namespace, name)
            assert found is not None, f"{resource.qualified} {namespace}/{name} is not there"
            return copied(found)

    def list(self, resource: Resource, namespace: str | None = None) -> "list[Document]":
        """Copies of all objects of a kind."""
        with self.lock:
            return copied(self.store.all(resource, namespace))

    def asked(self, method: str, path_end: str = "") -> "list[Seen]":
        """Requests with that method, whose path ends so."""
        return [seen for seen in self.requests if seen.method == method and seen.path.endswith(path_end)]


def _object(api_version: str, kind: str, metadata: Document, spec: Document, status: Document) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status}
