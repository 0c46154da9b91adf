"""What can be done to objects, in the API server's order: what they are, admission, validity, versions, and then it
happens. Callers hold the world's lock. Raises refusals."""

from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server import ownership
from shopkart_pipeline_tests.fakes.kubernetes_server.defaults import fill_in
from shopkart_pipeline_tests.fakes.kubernetes_server.ownership import Manager, Owners
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import (
    Document,
    Refusal,
    already_exists,
    bad_request,
    details_of,
    forbidden,
    invalid,
    modified,
    not_found,
)
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import (
    NAMESPACE,
    POD,
    QUOTA,
    SERVICE,
    SERVICE_ACCOUNT,
    Resource,
)
from shopkart_pipeline_tests.fakes.kubernetes_server.schema import Schema
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.validation import faults
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_SERVERS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def schema_of(resource: Resource) -> Schema:
    return Schema.of(resource.group, resource.version, resource.kind)


def get(world: KubernetesWorld, resource: Resource, namespace: str, name: str) -> Document:
    found = world.store.get(resource, namespace, name)
    if found is None:
        raise not_found(resource, name)
    return found


def create(
    world: KubernetesWorld, resource: Resource, namespace: str, body: Document, manager: Manager, dry: bool = False
) -> Document:
    """A new object. Raises for one that is there, that is invalid, or that isn't admitted."""
    document = _identified(world, resource, namespace, body)
    owners = Owners()
    _finish(world, resource, document, None)
    ownership.note_update(owners, schema_of(resource), {}, document, manager, world.stamp())
    return _created(world, resource, document, owners, dry)


def update(
    world: KubernetesWorld,
    resource: Resource,
    before: Document,
    body: Document,
    manager: Manager,
    part: str = "",
    dry: bool = False,
) -> Document:
    """Replace an object, or its `part` `status` alone; without a resourceVersion it is replaced whatever it is."""
    name = before["metadata"]["name"]
    if body.get("metadata", {}).get("name", name) != name:
        given = body["metadata"]["name"]
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    _check_version(resource, before, body)
    document = _with_part(resource, before, body, part)
    _finish(world, resource, document, before)
    owners = world.store.owners[_key(resource, before)].copy()
    ownership.note_update(owners, schema_of(resource), before, document, manager, world.stamp())
    return document if dry else _stored(world, resource, document, owners)


def apply(
    world: KubernetesWorld,
    resource: Resource,
    namespace: str,
    name: str,
    body: Document,
    manager: Manager,
    force: bool = False,
    part: str = "",
    dry: bool = False,
) -> tuple[Document, bool]:
    """Server-side apply; gives the object and whether it is new."""
    _check_applied(resource, name, body)
    live = world.store.get(resource, namespace, name)
    schema = schema_of(resource)
    for path in schema.unknown_fields(body):
        kind = f"{resource.api_version}, Kind={resource.kind}"
        message = (
            f"failed to create typed patch object ({namespace}/{name}; {kind}): .{path}: field not declared in schema"
        )
        raise Refusal(500, "", message)
    owners = Owners() if live is None else world.store.owners[_key(resource, live)].copy()
    if live is None:
        if part:
            raise not_found(resource, name)
        document = _identified(world, resource, namespace, {**body, "metadata": {**body["metadata"], "name": name}})
        ownership.apply(owners, schema, {}, body, manager, force, world.stamp())
        _finish(world, resource, document, None)
        return _created(world, resource, document, owners, dry), True
    _check_version(resource, live, body)
    wanted = {**body, "status": {}} if part != "status" else body
    result = ownership.apply(owners, schema, copied(live), wanted, manager, force, world.stamp())
    document = _with_part(resource, live, result, part)
    _finish(world, resource, document, live)
    return (document if dry else _stored(world, resource, document, owners)), False


def settle_finalizers(world: KubernetesWorld, resource: Resource, document: Document) -> Document:
    """Let an object go that only waited for its finalizers."""
    metadata = document["metadata"]
    free = "deletionTimestamp" in metadata and not metadata.get("finalizers") and resource is not NAMESPACE
    if free and (resource is not POD or metadata["deletionGracePeriodSeconds"] == 0):
        return world.store.remove(resource, metadata.get("namespace", ""), metadata["name"])
    return document


def refuse_terminating(world: KubernetesWorld, resource: Resource, namespace: str, name: str) -> None:
    """Nothing new in a namespace that isn't there or goes away."""
    if not resource.namespaced:
        return
    found = world.store.get(NAMESPACE, "", namespace)
    if found is None:
        raise not_found(NAMESPACE, namespace)
    if "deletionTimestamp" in found["metadata"]:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise forbidden(resource, name, why)


def _identified(world: KubernetesWorld, resource: Resource, namespace: str, body: Document) -> Document:
    """The object with its kind, name and namespace; raises where they contradict the address."""
    document = copied(body)
    if document.get("kind", resource.kind) != resource.kind:
        raise bad_request(f'{document["kind"]} in version "{resource.version}" cannot be handled as a {resource.kind}')
    metadata = document.setdefault("metadata", {})
    if resource.namespaced and metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + world.suffix()
    for name in (*_SERVERS, "resourceVersion", "managedFields"):
        metadata.pop(name, None)
    if resource is not POD:
        document.pop("status", None)
    refuse_terminating(world, resource, namespace, metadata.get("name", ""))
    return {"kind": resource.kind, "apiVersion": resource.api_version, **_without(document, "kind", "apiVersion")}


def _finish(world: KubernetesWorld, resource: Resource, document: Document, before: Document | None) -> None:
    """Defaults, admission, validity."""
    name = document["metadata"].get("name", "")
    if "spec" in document and document["spec"] is None:
        document["spec"] = {}
    if resource.kind in ("Deployment", "Pod", "ReplicaSet"):
        document.setdefault("spec", {})
    fill_in(resource.kind, document)
    if resource is SERVICE and "clusterIP" not in document["spec"] and document["spec"]["type"] != "ExternalName":
        address = _cluster_address(world)
        document["spec"] |= {"clusterIP": address, "clusterIPs": [address]}
    found = faults(resource.kind, document, before)
    if found:
        raise invalid(resource, name, found)
    if resource is POD and before is None:
        _admit_pod(world, document)
    for admission in world.admission:
        why = admission("CREATE" if before is None else "UPDATE", resource, document)
        if why is not None:
            message = f'{resource.qualified} "{name}" is forbidden: {why}'
            raise Refusal(422, "Invalid", message, {**details_of(resource, name), "causes": [{"message": why}]})


def _admit_pod(world: KubernetesWorld, document: Document) -> None:
    namespace, name = document["metadata"]["namespace"], document["metadata"]["name"]
    account = document["spec"].get("serviceAccountName", "default")
    if world.store.get(SERVICE_ACCOUNT, namespace, account) is None:
        why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise forbidden(POD, name, why)
    lasting = [pod for pod in world.store.all(POD, namespace) if pod["status"]["phase"] not in ("Failed", "Succeeded")]
    for quota in world.store.all(QUOTA, namespace):
        limit = quota.get("spec", {}).get("hard", {}).get("pods")
        if limit is not None and len(lasting) + 1 > int(limit):
            used = f"requested: pods=1, used: pods={len(lasting)}, limited: pods={limit}"
            raise forbidden(POD, name, f"exceeded quota: {quota['metadata']['name']}, {used}")


def _created(world: KubernetesWorld, resource: Resource, document: Document, owners: Owners, dry: bool) -> Document:
    metadata = document["metadata"]
    if world.store.get(resource, metadata.get("namespace", ""), metadata["name"]) is not None:
        raise already_exists(resource, metadata["name"])
    if dry:
        counted = {"generation": 1} if resource.counts_generations else {}
        return {**document, "metadata": {**metadata, "uid": "dry", "creationTimestamp": world.stamp(), **counted}}
    made = world.store.create(resource, document, owners)
    if resource is NAMESPACE:
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        metadata = {"name": "default", "namespace": made["metadata"]["name"]}
        world.store.create(SERVICE_ACCOUNT, {**account, "metadata": metadata})
    return made


def _stored(world: KubernetesWorld, resource: Resource, document: Document, owners: Owners) -> Document:
    return settle_finalizers(world, resource, world.store.update(resource, document, owners))


def _with_part(resource: Resource, before: Document, body: Document, part: str) -> Document:
    """The object as it would be: a write reaches either the status or everything else."""
    document = copied(body) if not part else copied(before)
    if part == "status":
        document["status"] = copied(body.get("status", {}))
        document["metadata"]["annotations"] = copied(body.get("metadata", {}).get("annotations", {}))
        if not document["metadata"]["annotations"]:
            del document["metadata"]["annotations"]
        return document
    document = {"kind": resource.kind, "apiVersion": resource.api_version, **_without(document, "kind", "apiVersion")}
    metadata, known = document.setdefault("metadata", {}), before["metadata"]
    metadata |= {"name": known["name"]} | ({"namespace": known["namespace"]} if "namespace" in known else {})
    for name in (*_SERVERS, "managedFields"):
        metadata.pop(name, None)
        if name in known:
            metadata[name] = known[name]
    if "generateName" in known:
        metadata["generateName"] = known["generateName"]
    document.pop("status", None)
    if "status" in before:
        document["status"] = copied(before["status"])
    if resource is SERVICE:
        for name in ("clusterIP", "clusterIPs"):
            if name in before["spec"] and not document.get("spec", {}).get(name):
                document["spec"][name] = before["spec"][name]
    return document


def _check_applied(resource: Resource, name: str, body: Document) -> None:
    if body.get("kind") != resource.kind or body.get("apiVersion") != resource.api_version:
        raise bad_request("invalid object type: apiVersion and kind must be those of the address")
    metadata: Any = body.setdefault("metadata", {})
    if metadata.setdefault("name", name) != name:
        given = metadata["name"]
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")


def _check_version(resource: Resource, before: Document, body: Document) -> None:
    metadata = body.get("metadata", {})
    if metadata.get("uid", before["metadata"]["uid"]) != before["metadata"]["uid"]:
        uids = f"UID in precondition: {metadata['uid']}, UID in object meta: {before['metadata']['uid']}"
        raise modified(resource, before["metadata"]["name"], f"Precondition failed: {uids}")
    version = metadata.get("resourceVersion", "")
    if version and version != before["metadata"]["resourceVersion"]:
        raise modified(resource, before["metadata"]["name"])


def _cluster_address(world: KubernetesWorld) -> str:
    number = world.memory["services"] = world.memory.get("services", 0) + 1
    return f"10.96.{number // 250}.{number % 250 + 1}"


def _key(resource: Resource, document: Document) -> tuple[Resource, str, str]:
    return resource, document["metadata"].get("namespace", ""), document["metadata"]["name"]


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}
