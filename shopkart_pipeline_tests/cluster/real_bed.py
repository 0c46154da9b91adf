"""A real cluster: one namespace of it, where everything carries a label of its own and is removed at the end.

Requests are sent by a pod inside of it, because neither its Services nor its names need to be reachable from here, and
whatever forwards connections from outside would lose some of them itself.
"""

import ipaddress
import json
import os
import secrets
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.cluster import KubernetesCluster, Surroundings
from shopkart_pipeline.adapters.kubernetes.connection import Access, Connection
from shopkart_pipeline.adapters.kubernetes.diagnosis import Signs, diagnose
from shopkart_pipeline.adapters.kubernetes.documents import parts, text
from shopkart_pipeline.adapters.kubernetes.kinds import POD, SERVICE
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline_tests.cluster import leftovers, needs
from shopkart_pipeline_tests.cluster.beds import Bed, Counted
from shopkart_pipeline_tests.cluster.images import ClusterImages, ImageWays

KUBECONFIG = "SHOPKART_TEST_KUBECONFIG"
LOADER = Path(__file__).with_name("load_pod.py")
_PER_SECOND = 50
_AFTERWARDS_SECONDS = 3.0
"""For which requests are sent after the end of a scenario, which may have left something that still fails."""
_HELLO = "print('hello')"


class RealBed(Bed):
    """A real cluster."""

    patience_seconds, tick_seconds = 300.0, 1.0
    startup_deadline_seconds, pre_stop_seconds = 60.0, 10.0

    def __init__(self, images: ClusterImages, kubeconfig: str, namespace: str) -> None:
        self.environment, self.clock = f"check-{secrets.token_hex(3)}", SystemClock()
        self.images, self.around = images, Surroundings(namespace, route_seconds=30.0)
        self.kubeconfig = kubeconfig
        self.connection = Connection(Access(kubeconfig=kubeconfig), self.clock)
        self.api = KubernetesApi(self.connection, self.clock)

    @property
    def namespace(self) -> str:
        return self.around.namespace

    def publish(self, version: str, **behaviour: Any) -> str:
        return self.images.publish(version, **behaviour)

    def image(self) -> str:
        return self.images.reference(self.publish("load"))

    def worker(self) -> KubernetesCluster:
        return KubernetesCluster(self.api, self.images.registry, self.clock, self.around)

    def check_rights(self) -> None:
        """Raises AssertionError with all that the account may not do and has to."""
        lacking = needs.lacking(self.api, self.namespace)
        assert not lacking, f"in {self.namespace} the account may not: {'; '.join(lacking)}"

    def prepare(self) -> None:
        """Remove what killed runs left, and see that a pod with our image runs at all; AssertionError says why not."""
        leftovers.sweep(self.api, self.namespace)
        name = f"{self.environment}-first"
        self.api.create(POD, self.namespace, self._pod(name, ["python", "-c", _HELLO]))
        self.until(lambda: self._phase(name) == "Succeeded", f"the end of a first pod, {name}")
        self.api.delete(POD, self.namespace, name)

    def why_no_eviction(self) -> str | None:
        allowed = needs.may(self.api, self.namespace, *needs.EVICTION, "create")
        return None if allowed else "this account may not evict pods"

    @contextmanager
    def load(self, service: str) -> Generator[Counted]:
        found = self.api.get(SERVICE, self.namespace, service)
        assert found is not None
        address = ipaddress.ip_address(found["spec"]["clusterIP"])
        url = f"http://[{address}]/" if address.version == 6 else f"http://{address}/"
        name, counted = f"{self.environment}-load-{secrets.token_hex(3)}", Counted()
        command = ["python", "-c", LOADER.read_text(encoding="utf-8"), url, str(_PER_SECOND)]
        self.api.create(POD, self.namespace, self._pod(name, command))
        try:
            self._wait_for_answers(name)
            yield counted
            told = self._counts(name)
        finally:
            self.api.delete(POD, self.namespace, name)
        counted.sent, counted.seconds = told["sent"], told["seconds"]
        counted.failures = [f"{words} ({number} times)" for words, number in told["failures"].items()]
        counted.versions = Counter(told["versions"])

    def _wait_for_answers(self, pod: str) -> None:
        said: dict[str, Any] = {}

        def answered() -> bool:
            said.update(self._said(pod))
            return bool(said.get("sent", 0) > 0)

        try:
            self.until(answered, f"answers to the pod {pod}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it said last: {said.get('before', 'nothing')}") from None

    def _counts(self, pod: str) -> dict[str, Any]:
        """The counts when every request of the scenario, and of a moment afterwards, was answered or has failed."""
        ended: list[float] = []
        told: dict[str, Any] = {}

        def settled() -> bool:
            nonlocal told
            told = self._said(pod)
            if "seconds" not in told:
                return False
            ended.append(told["seconds"])
            return bool(told["seconds"] - told["oldest_seconds"] > ended[0] + _AFTERWARDS_SECONDS)

        self.until(settled, f"the last answers to the pod {pod}")
        return told

    def _said(self, pod: str) -> dict[str, Any]:
        """The newest line of a pod that sends requests; empty while there is none."""
        phase = self._phase(pod)
        assert phase in ("Pending", "Running"), f"the pod {pod} that sends requests came to an end: {phase}"
        for line in reversed(self.api.log(self.namespace, pod, 2, 65536, previous=False).splitlines()):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue  # The kubelet was asked in the middle of a line.
        return {}

    def _phase(self, name: str) -> str:
        """How far a pod is. Raises AssertionError where it can't get any further."""
        pod = self.api.get(POD, self.namespace, name)
        if pod is None:
            return "gone"
        found = diagnose(
            Signs(
                deployment={},
                replica_set=None,
                pods=[pod],
                startup_deadline_seconds=self.patience_seconds,
                now=self.clock.now(),
                events_of=lambda _: [],
                log_of=lambda *_: "",
            )
        )
        assert found.failure is None, f"the pod {name}: {found.failure}"
        phase = text(pod, "status", "phase")
        ended = [text(each, "state", "terminated", "reason") for each in parts(pod, "status", "containerStatuses")]
        log = self.api.log(self.namespace, name, 5, 4096, previous=False).strip() if phase == "Failed" else ""
        assert phase != "Failed", f"the pod {name} failed: {text(pod, 'status', 'reason') or ', '.join(ended)}; {log}"
        return phase

    def _pod(self, name: str, command: list[str]) -> dict[str, Any]:
        """A pod of our own image, as restricted as a namespace may demand."""
        resources = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
        container = {
            "name": "check",
            "image": self.image(),
            "imagePullPolicy": "IfNotPresent",
            "command": command,
            "resources": resources,
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        who = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"restartPolicy": "Never", "securityContext": who, "containers": [container]}
        spec |= {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
        labels = {"app.kubernetes.io/instance": self.environment, "app.kubernetes.io/name": "check"}
        labels["app.kubernetes.io/managed-by"] = "shopkart"
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}

    def clean_up(self) -> None:
        """Remove everything that carries our label."""
        leftovers.remove(self.api, self.namespace, lambda environment, service: environment == self.environment)


def context_of(kubeconfig: str) -> tuple[str, str]:
    """Name and namespace of the kubeconfig's context."""
    import kubernetes

    _, active = kubernetes.config.list_kube_config_contexts(config_file=kubeconfig)
    return str(active["name"]), str(active["context"].get("namespace", "default"))


@contextmanager
def _or_nothing_begins() -> Generator[None]:
    """What would fail every test in the same way is told once."""
    try:
        yield
    except (AssertionError, PipelineError) as error:
        pytest.exit(f"The checks can't run on this cluster: {error}", returncode=1)


@contextmanager
def a_real_bed(folder: Path, config: pytest.Config) -> Generator[RealBed]:
    """The cluster that SHOPKART_TEST_KUBECONFIG names, as the options of the command line say."""
    kubeconfig = os.environ[KUBECONFIG]
    context, namespace = context_of(kubeconfig)
    ways = ImageWays(*(config.getoption(name) for name in ("--registry", "--pull-from", "--load-command")))
    images = ClusterImages(folder, ways, context)
    bed = RealBed(images, kubeconfig, config.getoption("--namespace") or namespace)
    with _or_nothing_begins():
        bed.check_rights()
    try:
        with _or_nothing_begins():
            bed.prepare()
        yield bed
    finally:
        try:
            bed.clean_up()
        finally:
            bed.connection.close()
            images.close()
