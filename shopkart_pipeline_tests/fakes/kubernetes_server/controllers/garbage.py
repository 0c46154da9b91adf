"""The garbage collector: what belongs to a deleted object goes, or before it where the deletion is in the foreground;
and a namespace goes when it is empty."""

from shopkart_pipeline_tests.fakes.kubernetes_server import crud, deletion
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import NAMESPACE, RESOURCES, Resource
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_FOREGROUND = "foregroundDeletion"


def reconcile(world: KubernetesWorld) -> None:
    for resource in RESOURCES:
        for document in world.store.all(resource):
            metadata = document["metadata"]
            if _FOREGROUND in metadata.get("finalizers", []):
                _empty(world, resource, document)
            elif "ownerReferences" in metadata and "deletionTimestamp" not in metadata:
                _follow(world, resource, document)
    for namespace in world.store.all(NAMESPACE):
        if "deletionTimestamp" in namespace["metadata"]:
            _clear(world, namespace["metadata"]["name"])


def _empty(world: KubernetesWorld, resource: Resource, document: Document) -> None:
    """Delete what blocks it; let it go when nothing does."""
    uid, blocked = document["metadata"]["uid"], False
    for kind, dependent in world.store.with_owner(uid):
        metadata = dependent["metadata"]
        blocked |= any(each["uid"] == uid and each.get("blockOwnerDeletion") for each in metadata["ownerReferences"])
        if "deletionTimestamp" not in metadata:
            options = {"propagationPolicy": "Foreground"} if world.store.with_owner(metadata["uid"]) else {}
            deletion.delete(world, kind, metadata.get("namespace", ""), metadata["name"], options)
    if not blocked:
        changed = copied(document)
        changed["metadata"]["finalizers"].remove(_FOREGROUND)
        crud.settle_finalizers(world, resource, world.store.update(resource, changed))


def _follow(world: KubernetesWorld, resource: Resource, document: Document) -> None:
    """An object whose owners are all gone goes too, unless it was left an orphan."""
    metadata = document["metadata"]
    gone = [each for each in metadata["ownerReferences"] if not world.store.has_uid(each["uid"])]
    orphaned = world.memory.get("orphaned", set())
    if any(each["uid"] in orphaned for each in gone):
        changed = copied(document)
        changed["metadata"]["ownerReferences"] = [each for each in metadata["ownerReferences"] if each not in gone]
        if not changed["metadata"]["ownerReferences"]:
            del changed["metadata"]["ownerReferences"]
        world.store.update(resource, changed)
    elif len(gone) == len(metadata["ownerReferences"]):
        deletion.delete(world, resource, metadata.get("namespace", ""), metadata["name"], {})


def _clear(world: KubernetesWorld, namespace: str) -> None:
    left = [(each, document) for each in RESOURCES if each.namespaced for document in world.store.all(each, namespace)]
    for resource, document in left:
        if "deletionTimestamp" not in document["metadata"]:
            deletion.delete(world, resource, namespace, document["metadata"]["name"], {})
    if not left:
        world.store.remove(NAMESPACE, "", namespace)
