"""Deployments: a ReplicaSet for every template, rolling updates, conditions, as the deployment controller's
`rolling.go`, `sync.go` and `progress.go` have it. Not emulated: `Recreate`, pausing in the middle of proportional
scaling (all replicas of a scaling go to the newest ReplicaSet when more than one is active)."""

import hashlib
import json

from shopkart_pipeline_tests.fakes.kubernetes_server.controllers import deployment_status
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.deployment_status import surge_and_unavailable
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.events import tell
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import DEPLOYMENT, REPLICA_SET
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import ALPHABET, KubernetesWorld

_PREFIX = "deployment.kubernetes.io"
_HASH = "pod-template-hash"


def reconcile(world: KubernetesWorld) -> None:
    seen = world.memory.setdefault("deployments", {})
    for deployment in world.store.all(DEPLOYMENT):
        versions = [each["metadata"]["resourceVersion"] for each in [deployment, *owned(world, deployment)]]
        if seen.get(deployment["metadata"]["uid"]) == versions and deployment_status.is_complete(deployment):
            continue
        seen[deployment["metadata"]["uid"]] = versions
        if "deletionTimestamp" in deployment["metadata"]:
            deployment_status.sync_counts(world, deployment, owned(world, deployment))
        else:
            _sync(world, deployment)


def owned(world: KubernetesWorld, deployment: Document) -> list[Document]:
    """Its ReplicaSets, oldest first."""
    uid = deployment["metadata"]["uid"]
    found = [document for resource, document in world.store.with_owner(uid) if resource is REPLICA_SET]
    return sorted(
        found, key=lambda each: (each["metadata"]["creationTimestamp"], int(each["metadata"]["resourceVersion"]))
    )


def _sync(world: KubernetesWorld, deployment: Document) -> None:
    deployment, newest, older = _newest(world, deployment)
    if newest is None:
        return
    every = [*older, newest]
    if deployment["spec"].get("paused"):
        deployment_status.sync_counts(world, deployment, every)
        return
    if _was_scaled(deployment, every):
        _rescale(world, deployment, newest, older)
        deployment_status.sync_counts(world, deployment, owned(world, deployment))
        return
    if not _grow(world, deployment, newest, older):
        _shrink(world, deployment, newest, older)
    every = owned(world, deployment)
    newest = next(each for each in every if each["metadata"]["name"] == newest["metadata"]["name"])
    deployment = deployment_status.sync(world, deployment, newest, every)
    if deployment_status.is_complete(deployment):
        _clean_up(world, deployment, [each for each in every if each is not newest])


def _newest(world: KubernetesWorld, deployment: Document) -> tuple[Document, Document | None, list[Document]]:
    """The ReplicaSet of the current template, made if need be, and the others; revisions are kept on both."""
    every = owned(world, deployment)
    template = deployment["spec"]["template"]
    newest = next((each for each in every if _template(each) == template), None)
    older = [each for each in every if each is not newest]
    revision = max((_revision(each) for each in older), default=0) + 1
    if newest is None:
        if deployment["spec"].get("paused"):
            return deployment, every[-1] if every else None, every[:-1]
        newest = _make(world, deployment, older, revision)
        reason, message = "NewReplicaSetCreated", f'Created new replica set "{newest["metadata"]["name"]}"'
        deployment = deployment_status.set_progressing(world, deployment, str(_revision(newest)), reason, message)
        return deployment, newest, older
    changed = copied(newest)
    annotations = changed["metadata"]["annotations"]
    if _revision(newest) < revision and older:
        history = annotations.get(f"{_PREFIX}/revision-history", "")
        told = ",".join(filter(None, [history, annotations[f"{_PREFIX}/revision"]]))
        annotations |= {f"{_PREFIX}/revision-history": told, f"{_PREFIX}/revision": str(revision)}
    if "minReadySeconds" in deployment["spec"]:
        changed["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
    newest = world.store.update(REPLICA_SET, changed)
    return deployment_status.set_revision(world, deployment, str(_revision(newest))), newest, older


def _make(world: KubernetesWorld, deployment: Document, older: list[Document], revision: int) -> Document:
    spec, metadata = deployment["spec"], deployment["metadata"]
    digest = template_hash(spec["template"])
    template = copied(spec["template"])
    template["metadata"].setdefault("labels", {})[_HASH] = digest
    selector = copied(spec["selector"])
    selector.setdefault("matchLabels", {})[_HASH] = digest
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
    owner |= {"controller": True, "blockOwnerDeletion": True}
    inherited = {key: value for key, value in metadata.get("annotations", {}).items() if not key.startswith(_PREFIX)}
    inherited.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    made: Document = {"kind": "ReplicaSet", "apiVersion": "apps/v1"}
    made["metadata"] = {"name": f"{metadata['name']}-{digest}", "namespace": metadata["namespace"]}
    made["metadata"] |= {"labels": template["metadata"]["labels"], "ownerReferences": [owner]}
    made["metadata"]["annotations"] = {
        **inherited,
        **_scale_annotations(deployment),
        f"{_PREFIX}/revision": str(revision),
    }
    made["spec"] = {"replicas": _wanted_of_new(deployment, 0, older), "selector": selector, "template": template}
    if "minReadySeconds" in spec:
        made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    made["status"] = {"replicas": 0}
    made = world.store.create(REPLICA_SET, made)
    if made["spec"]["replicas"]:
        _tell_scaled(world, deployment, made, 0)
    return made


def template_hash(template: Document) -> str:
    """A name for a template: the same for the same one. (The real one is an FNV hash of Go's own dump.)"""
    number = int(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:12], 16)
    return "".join(ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(10))


def _grow(world: KubernetesWorld, deployment: Document, newest: Document, older: list[Document]) -> bool:
    """Bring the new ReplicaSet to what it may have now; whether that changed it."""
    wanted = _wanted_of_new(deployment, newest["spec"]["replicas"], older)
    return _scale(world, deployment, newest, wanted)


def _wanted_of_new(deployment: Document, current: int, older: list[Document]) -> int:
    replicas = deployment["spec"]["replicas"]
    if current > replicas:
        return replicas
    total = sum(each["spec"]["replicas"] for each in older) + current
    most = replicas + surge_and_unavailable(deployment)[0]
    return current if total >= most else current + min(most - total, replicas - current)


def _shrink(world: KubernetesWorld, deployment: Document, newest: Document, older: list[Document]) -> bool:
    """Take from the old ReplicaSets what may go: first what isn't available, then while enough is."""
    if not sum(each["spec"]["replicas"] for each in older):
        return False
    fewest = deployment["spec"]["replicas"] - surge_and_unavailable(deployment)[1]
    new_unavailable = newest["spec"]["replicas"] - newest["status"].get("availableReplicas", 0)
    total = sum(each["spec"]["replicas"] for each in [*older, newest])
    may_go = total - fewest - new_unavailable
    changed, kept = False, list[Document]()
    for each in older:
        replicas, available = each["spec"]["replicas"], each["status"].get("availableReplicas", 0)
        unhealthy = min(max(may_go, 0), replicas - available)
        if unhealthy > 0:
            changed |= _scale(world, deployment, each, replicas - unhealthy)
            may_go -= unhealthy
        kept.append(world.store.get(REPLICA_SET, each["metadata"]["namespace"], each["metadata"]["name"]) or each)
    if total - fewest - new_unavailable <= 0:
        return changed
    surplus = sum(each["status"].get("availableReplicas", 0) for each in [*older, newest]) - fewest
    for each in kept:
        going = min(each["spec"]["replicas"], surplus)
        if going > 0:
            changed |= _scale(world, deployment, each, each["spec"]["replicas"] - going)
            surplus -= going
    return changed


def _was_scaled(deployment: Document, every: list[Document]) -> bool:
    wanted = str(deployment["spec"]["replicas"])
    active = [each for each in every if each["spec"]["replicas"]]
    return any(each["metadata"]["annotations"][f"{_PREFIX}/desired-replicas"] != wanted for each in active)


def _rescale(world: KubernetesWorld, deployment: Document, newest: Document, older: list[Document]) -> None:
    active = [each for each in [*older, newest] if each["spec"]["replicas"]]
    allowed = deployment["spec"]["replicas"]
    if len(active) == 1:
        _scale(world, deployment, active[0], allowed)
        return
    allowed += surge_and_unavailable(deployment)[0] if allowed else 0
    spare = allowed - sum(each["spec"]["replicas"] for each in active)
    for each in sorted(active, key=lambda one: -one["spec"]["replicas"]):
        change = spare if spare > 0 else max(spare, -each["spec"]["replicas"])
        _scale(world, deployment, each, each["spec"]["replicas"] + change)
        spare -= change


def _scale(world: KubernetesWorld, deployment: Document, replica_set: Document, replicas: int) -> bool:
    before = replica_set["spec"]["replicas"]
    changed = copied(replica_set)
    changed["spec"]["replicas"] = replicas
    changed["metadata"]["annotations"] |= _scale_annotations(deployment)
    stored = world.store.update(REPLICA_SET, changed)
    if before != replicas:
        _tell_scaled(world, deployment, stored, before)
    return before != replicas


def _tell_scaled(world: KubernetesWorld, deployment: Document, replica_set: Document, before: int) -> None:
    now, name = replica_set["spec"]["replicas"], replica_set["metadata"]["name"]
    message = f"Scaled {'up' if now > before else 'down'} replica set {name} from {before} to {now}"
    tell(world, deployment, "deployment-controller", "ScalingReplicaSet", message)


def _scale_annotations(deployment: Document) -> dict[str, str]:
    replicas = deployment["spec"]["replicas"]
    most = replicas + surge_and_unavailable(deployment)[0]
    return {f"{_PREFIX}/desired-replicas": str(replicas), f"{_PREFIX}/max-replicas": str(most)}


def _clean_up(world: KubernetesWorld, deployment: Document, older: list[Document]) -> None:
    empty = [each for each in older if not each["spec"]["replicas"] and not each["status"].get("replicas")]
    surplus = len(older) - deployment["spec"]["revisionHistoryLimit"]
    for each in sorted(empty, key=_revision)[: max(surplus, 0)]:
        if each["status"].get("observedGeneration") == each["metadata"]["generation"]:
            world.store.remove(REPLICA_SET, each["metadata"]["namespace"], each["metadata"]["name"])


def _revision(replica_set: Document) -> int:
    return int(replica_set["metadata"]["annotations"][f"{_PREFIX}/revision"])


def _template(replica_set: Document) -> Document:
    template = copied(replica_set["spec"]["template"])
    del template["metadata"]["labels"][_HASH]
    return template
