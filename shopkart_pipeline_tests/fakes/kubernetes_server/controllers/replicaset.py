"""ReplicaSets: as many pods as wanted, and what they say of themselves."""

from shopkart_pipeline_tests.fakes.kubernetes_server import crud, deletion
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.events import tell
from shopkart_pipeline_tests.fakes.kubernetes_server.ownership import Manager
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document, Refusal
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import POD, REPLICA_SET
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_SELF = Manager("kube-controller-manager", "Update", "v1")
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.005, 1000.0


def reconcile(world: KubernetesWorld) -> None:
    seen = world.memory.setdefault("replica sets", {})
    for replica_set in world.store.all(REPLICA_SET):
        uid, replicas = replica_set["metadata"]["uid"], replica_set["spec"]["replicas"]
        versions = [each["metadata"]["resourceVersion"] for each in [replica_set, *_pods(world, replica_set)]]
        settled = replica_set["status"].get("availableReplicas", 0) == replicas and uid not in world.memory.get(
            "retries", {}
        )
        if settled and seen.get(uid) == versions:
            continue
        seen[uid] = versions
        refused = ""
        if "deletionTimestamp" not in replica_set["metadata"]:
            refused = _scale(world, replica_set)
        current = world.store.get(REPLICA_SET, replica_set["metadata"]["namespace"], replica_set["metadata"]["name"])
        if current is not None:
            _sync(world, current, refused)


def is_ready(pod: Document) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def is_active(pod: Document) -> bool:
    """It counts as a replica."""
    return pod["status"]["phase"] not in ("Failed", "Succeeded") and "deletionTimestamp" not in pod["metadata"]


def _pods(world: KubernetesWorld, replica_set: Document) -> list[Document]:
    return [
        document for resource, document in world.store.with_owner(replica_set["metadata"]["uid"]) if resource is POD
    ]


def _scale(world: KubernetesWorld, replica_set: Document) -> str:
    """Make or delete pods; gives why one could not be made, empty if none failed."""
    active = [pod for pod in _pods(world, replica_set) if is_active(pod)]
    missing = replica_set["spec"]["replicas"] - len(active)
    retries = world.memory.setdefault("retries", {})
    uid = replica_set["metadata"]["uid"]
    attempts, due, told = retries.get(uid, (0, world.now().timestamp(), ""))
    if missing <= 0:
        retries.pop(uid, None)
    if missing > 0 and world.now().timestamp() < due:
        return told
    for _ in range(max(missing, 0)):
        try:
            _make(world, replica_set)
        except Refusal as refusal:
            wait = min(_FIRST_BACKOFF_SECONDS * 2**attempts, _LONGEST_BACKOFF_SECONDS)
            message = refusal.document["message"]
            retries[uid] = (attempts + 1, world.now().timestamp() + wait, told or message)
            tell(
                world, replica_set, "replicaset-controller", "FailedCreate", f"Error creating: {message}", warning=True
            )
            return told or message
        retries.pop(uid, None)
    for pod in sorted(active, key=_keeping_order)[: max(-missing, 0)]:
        name = pod["metadata"]["name"]
        deletion.delete(world, POD, pod["metadata"]["namespace"], name, {})
        tell(world, replica_set, "replicaset-controller", "SuccessfulDelete", f"Deleted pod: {name}")
    return ""


def _make(world: KubernetesWorld, replica_set: Document) -> None:
    metadata = replica_set["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": metadata["name"], "uid": metadata["uid"]}
    pod = copied(replica_set["spec"]["template"])
    pod["metadata"] |= {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]}
    pod["metadata"]["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    made = crud.create(world, POD, metadata["namespace"], pod, _SELF)
    tell(world, replica_set, "replicaset-controller", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")


def _keeping_order(pod: Document) -> tuple[bool, bool, bool, int]:
    """What goes first: what has no node, what doesn't run, what isn't ready, what is newest."""
    assigned, running = bool(pod["spec"].get("nodeName")), pod["status"]["phase"] == "Running"
    return assigned, running, is_ready(pod), -_number(pod)


def _number(pod: Document) -> int:
    ready = next((each for each in pod["status"].get("conditions", []) if each["type"] == "Ready"), None)
    told = (ready or {}).get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    return int("".join(filter(str.isdigit, told)))


def _sync(world: KubernetesWorld, replica_set: Document, refused: str) -> None:
    pods = _pods(world, replica_set)
    active = [pod for pod in pods if is_active(pod)]
    ready = [pod for pod in active if is_ready(pod)]
    patience = replica_set["spec"].get("minReadySeconds", 0)
    available = [pod for pod in ready if not patience or _ready_seconds(world, pod) >= patience]
    terminating = [
        pod
        for pod in pods
        if "deletionTimestamp" in pod["metadata"] and pod["status"]["phase"] not in ("Failed", "Succeeded")
    ]
    counts = {"fullyLabeledReplicas": len(active), "readyReplicas": len(ready), "availableReplicas": len(available)}
    status: Document = {"replicas": len(active), **{name: value for name, value in counts.items() if value}}
    status |= {"terminatingReplicas": len(terminating), "observedGeneration": replica_set["metadata"]["generation"]}
    known = [each for each in replica_set["status"].get("conditions", []) if each["type"] == "ReplicaFailure"]
    if refused:
        made = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused}
        status["conditions"] = known or [{**made, "lastTransitionTime": world.stamp()}]
    changed = copied(replica_set)
    changed["status"] = status
    world.store.update(REPLICA_SET, changed)


def _ready_seconds(world: KubernetesWorld, pod: Document) -> float:
    ready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")
    return world.seconds_since(ready["lastTransitionTime"])
