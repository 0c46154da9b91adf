"""PodDisruptionBudgets: how many evictions they allow now."""

import math

from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.replicaset import is_active, is_ready
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import BUDGET, POD, REPLICA_SET
from shopkart_pipeline_tests.fakes.kubernetes_server.selectors import selector_matches
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_ROUND_UP_PERCENT = 100


def reconcile(world: KubernetesWorld) -> None:
    for budget in world.store.all(BUDGET):
        namespace, spec = budget["metadata"]["namespace"], budget["spec"]
        pods = [
            pod
            for pod in world.store.all(POD, namespace)
            if selector_matches(spec.get("selector"), pod["metadata"].get("labels", {}))
        ]
        pods = [pod for pod in pods if pod["status"]["phase"] not in ("Failed", "Succeeded")]
        expected = _expected(world, pods)
        healthy = sum(is_active(pod) and is_ready(pod) for pod in pods)
        if "maxUnavailable" in spec:
            desired = max(0, expected - _resolved(spec["maxUnavailable"], expected))
        else:
            desired = _resolved(spec.get("minAvailable", 1), expected)
        allowed = max(0, healthy - desired) if expected else 0
        _write(world, budget, expected, healthy, desired, allowed)


def _expected(world: KubernetesWorld, pods: list[Document]) -> int:
    owners = {owner["uid"] for pod in pods for owner in pod["metadata"].get("ownerReferences", [])}
    sets = [each for each in world.store.all(REPLICA_SET) if each["metadata"]["uid"] in owners]
    return sum(each["spec"]["replicas"] for each in sets) + sum(
        "ownerReferences" not in pod["metadata"] for pod in pods
    )


def _resolved(value: int | str, of: int) -> int:
    return math.ceil(int(value[:-1]) * of / _ROUND_UP_PERCENT) if isinstance(value, str) else value


def _write(world: KubernetesWorld, budget: Document, expected: int, healthy: int, desired: int, allowed: int) -> None:
    changed = copied(budget)
    enough = (
        {"status": "True", "reason": "SufficientPods"} if allowed else {"status": "False", "reason": "InsufficientPods"}
    )
    known = next(iter(budget["status"].get("conditions", [])), None)
    since = known["lastTransitionTime"] if known and known["status"] == enough["status"] else world.stamp()
    condition = {"type": "DisruptionAllowed", "lastTransitionTime": since, "message": ""}
    condition |= {**enough, "observedGeneration": budget["metadata"]["generation"]}
    counts = {
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
    }
    observed = {"observedGeneration": budget["metadata"]["generation"]}
    changed["status"] = {**observed, **counts, "conditions": [condition]}
    world.store.update(BUDGET, changed)
