"""What a Deployment says of itself: counts and conditions, by the rules of the real controller's `progress.go`."""

import math
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import DEPLOYMENT
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_REVISION = "deployment.kubernetes.io/revision"
_DONE, _LATE = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"


def sync(world: KubernetesWorld, deployment: Document, newest: Document, every: list[Document]) -> Document:
    """Bring counts and conditions up to date, progress included."""
    changed = copied(deployment)
    old, status = deployment["status"], _counted(world, deployment, newest, every)
    changed["status"] = status
    current = condition_of(deployment, "Progressing")
    settled = status.get("replicas", 0) == status.get("updatedReplicas", 0) and (current or {}).get("reason") == _DONE
    name = newest["metadata"]["name"]
    if not settled:
        if is_complete(changed):
            _set(world, status, "Progressing", "True", _DONE, f'ReplicaSet "{name}" has successfully progressed.')
        elif _progressed(old, status):
            message = f'ReplicaSet "{name}" is progressing.'
            _set(world, status, "Progressing", "True", "ReplicaSetUpdated", message, renew=True)
        elif _timed_out(world, deployment, current):
            _set(world, status, "Progressing", "False", _LATE, f'ReplicaSet "{name}" has timed out progressing.')
    failures = [
        each for one in every for each in one["status"].get("conditions", []) if each["type"] == "ReplicaFailure"
    ]
    if failures:
        _set(world, status, "ReplicaFailure", failures[-1]["status"], failures[-1]["reason"], failures[-1]["message"])
    else:
        status["conditions"] = [each for each in status["conditions"] if each["type"] != "ReplicaFailure"]
    return world.store.update(DEPLOYMENT, changed)


def sync_counts(world: KubernetesWorld, deployment: Document, every: list[Document]) -> Document:
    """Bring the counts alone up to date: for what is paused, just scaled, or being deleted."""
    newest = every[-1] if every else {"status": {}}
    changed = copied(deployment)
    changed["status"] = _counted(world, deployment, newest, every)
    return world.store.update(DEPLOYMENT, changed)


def set_progressing(world: KubernetesWorld, deployment: Document, revision: str, reason: str, message: str) -> Document:
    """Write down that a ReplicaSet was made."""
    changed = copied(deployment)
    changed["metadata"].setdefault("annotations", {})[_REVISION] = revision
    changed["status"].setdefault("conditions", [])
    _set(world, changed["status"], "Progressing", "True", reason, message)
    return world.store.update(DEPLOYMENT, changed)


def set_revision(world: KubernetesWorld, deployment: Document, revision: str) -> Document:
    changed = copied(deployment)
    changed["metadata"].setdefault("annotations", {})[_REVISION] = revision
    return world.store.update(DEPLOYMENT, changed)


def surge_and_unavailable(deployment: Document) -> tuple[int, int]:
    """How many more and how many fewer than wanted there may be. With `Recreate` none is more, and all may be away."""
    rolling, replicas = deployment["spec"]["strategy"].get("rollingUpdate", {}), deployment["spec"]["replicas"]
    if deployment["spec"]["strategy"].get("type") == "Recreate":
        return 0, max(replicas, 1)

    def resolved(value: Any, rounded: Any) -> int:
        return rounded(int(value[:-1]) * replicas / 100) if isinstance(value, str) else value

    surge, unavailable = resolved(rolling["maxSurge"], math.ceil), resolved(rolling["maxUnavailable"], math.floor)
    return surge, unavailable if surge or unavailable else 1


def condition_of(document: Document, kind: str) -> Document | None:
    """A condition by its type."""
    return next((each for each in document["status"].get("conditions", []) if each["type"] == kind), None)


def is_complete(deployment: Document) -> bool:
    """Every wanted replica is a new one and available, and nothing older is left."""
    status, replicas = deployment["status"], deployment["spec"]["replicas"]
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return counts == [replicas] * 3 and status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]


def _counted(world: KubernetesWorld, deployment: Document, newest: Document, every: list[Document]) -> Document:
    def total(name: str) -> int:
        return sum(each["status"].get(name, 0) for each in every)

    available = total("availableReplicas")
    counts = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total("replicas"),
        "updatedReplicas": newest["status"].get("replicas", 0),
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(each["spec"]["replicas"] for each in every) - available),
    }
    status: Document = {name: value for name, value in counts.items() if value}
    status["terminatingReplicas"] = total("terminatingReplicas")
    status["conditions"] = copied(deployment["status"].get("conditions", []))
    if available >= deployment["spec"]["replicas"] - surge_and_unavailable(deployment)[1]:
        message = "Deployment has minimum availability."
        _set(world, status, "Available", "True", "MinimumReplicasAvailable", message)
    else:
        message = "Deployment does not have minimum availability."
        _set(world, status, "Available", "False", "MinimumReplicasUnavailable", message)
    return status


def _progressed(old: Document, new: Document) -> bool:
    def older(status: Document) -> int:
        return status.get("replicas", 0) - status.get("updatedReplicas", 0)

    grown = any(
        new.get(name, 0) > old.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grown or older(new) < older(old)


def _timed_out(world: KubernetesWorld, deployment: Document, current: Document | None) -> bool:
    if current is None or current["reason"] == _DONE:
        return False
    if current["reason"] == _LATE:
        return True
    return world.seconds_since(current["lastUpdateTime"]) > deployment["spec"]["progressDeadlineSeconds"]


def _set(
    world: KubernetesWorld, status: Document, kind: str, value: str, reason: str, message: str, renew: bool = False
) -> None:
    """Set a condition; without `renew` one that says the same already stays as it is."""
    conditions = status["conditions"]
    current = next((each for each in conditions if each["type"] == kind), None)
    if current is not None and (current["status"], current["reason"]) == (value, reason) and not renew:
        return
    kept = current is not None and current["status"] == value
    made = {"type": kind, "status": value, "lastUpdateTime": world.stamp()}
    made["lastTransitionTime"] = current["lastTransitionTime"] if kept and current else world.stamp()
    conditions[:] = [each for each in conditions if each["type"] != kind] + [
        {**made, "reason": reason, "message": message}
    ]
