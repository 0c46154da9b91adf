"""How objects are deleted: at once, or by beginning what controllers, the kubelet and finalizers bring to an end.
Callers hold the world's lock. Raises refusals."""

from shopkart_pipeline_tests.fakes.kubernetes_server.crud import get
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document, details_of, modified
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import JOB, NAMESPACE, POD, Resource
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_FOREGROUND = "foregroundDeletion"


def delete(
    world: KubernetesWorld, resource: Resource, namespace: str, name: str, options: Document, dry: bool = False
) -> Document:
    """Delete an object, or begin to; gives the answer's document."""
    before = get(world, resource, namespace, name)
    _check_preconditions(resource, before, options.get("preconditions") or {})
    document = copied(before)
    metadata = document["metadata"]
    grace = _grace_seconds(resource, document, options)
    # Of `batch/v1` alone what depends on an object stays unless something else is asked for.
    policy = options.get("propagationPolicy") or ("Orphan" if resource is JOB else "Background")
    world.memory.setdefault("orphaned", set()).update({metadata["uid"]} if policy == "Orphan" else ())
    if policy == "Foreground" and _FOREGROUND not in metadata.get("finalizers", []):
        metadata.setdefault("finalizers", []).append(_FOREGROUND)
    if resource is NAMESPACE:
        document["status"] = {"phase": "Terminating"}
    waits = bool(metadata.get("finalizers")) or grace > 0 or resource is NAMESPACE
    if dry:
        return document
    if not waits:
        if resource is POD and options.get("gracePeriodSeconds") is None:
            metadata |= {"deletionTimestamp": world.stamp(), "deletionGracePeriodSeconds": 0}
            metadata["generation"] += 1
            world.store.update(resource, document)
        gone = world.store.remove(resource, namespace, name)
        return gone if resource.returns_deleted else _success(resource, gone)
    if "deletionTimestamp" not in metadata or grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionTimestamp"] = world.stamp_after(grace)
        metadata["deletionGracePeriodSeconds"] = grace
        if "generation" in metadata:
            metadata["generation"] += 1
    return world.store.update(resource, document)


def _check_preconditions(resource: Resource, before: Document, wanted: Document) -> None:
    metadata = before["metadata"]
    for field, told in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(field) not in (None, metadata[field]):
            why = f"{told} in precondition: {wanted[field]}, {told} in object meta: {metadata[field]}"
            raise modified(resource, metadata["name"], f"Precondition failed: {why}")


def _grace_seconds(resource: Resource, document: Document, options: Document) -> int:
    if resource is not POD:
        return 0
    if not document["spec"].get("nodeName") or document["status"].get("phase") in ("Failed", "Succeeded"):
        return 0
    given = options.get("gracePeriodSeconds")
    return int(document["spec"]["terminationGracePeriodSeconds"] if given is None else given)


def _success(resource: Resource, document: Document) -> Document:
    details = {**details_of(resource, document["metadata"]["name"]), "uid": document["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
