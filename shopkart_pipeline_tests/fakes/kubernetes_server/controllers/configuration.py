"""What a container is configured by: Secrets and ConfigMaps that its environment refers to, and the External Secrets
Operator that makes Secrets of ExternalSecrets (each value being the name of its key)."""

import base64

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import CONFIG_MAP, EXTERNAL_SECRET, SECRET
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_SOURCES = {"secretKeyRef": (SECRET, "Secret"), "configMapKeyRef": (CONFIG_MAP, "ConfigMap")}


def reconcile(world: KubernetesWorld) -> None:
    """Make the Secrets of ExternalSecrets."""
    for external in world.store.all(EXTERNAL_SECRET):
        metadata, spec = external["metadata"], external["spec"]
        name = spec.get("target", {}).get("name", metadata["name"])
        if world.store.get(SECRET, metadata["namespace"], name) is None and "deletionTimestamp" not in metadata:
            _make(world, external, name)


def missing_configuration(world: KubernetesWorld, pod: Document) -> str:
    """Why a pod's containers can't be configured, in the kubelet's words; empty if they can."""
    namespace = pod["metadata"]["namespace"]
    for container in pod["spec"]["containers"]:
        for kind, resource in (("secretRef", SECRET), ("configMapRef", CONFIG_MAP)):
            for reference in (each[kind] for each in container.get("envFrom", []) if kind in each):
                if world.store.get(resource, namespace, reference["name"]) is None and not reference.get("optional"):
                    return f'{resource.kind.lower()} "{reference["name"]}" not found'
        for variable in container.get("env", []):
            why = _missing_key(world, namespace, variable.get("valueFrom", {}))
            if why:
                return why
    return ""


def _missing_key(world: KubernetesWorld, namespace: str, source: Document) -> str:
    for kind, (resource, named) in _SOURCES.items():
        reference = source.get(kind)
        if reference is None or reference.get("optional"):
            continue
        found = world.store.get(resource, namespace, reference["name"])
        if found is None:
            return f'{named.lower()} "{reference["name"]}" not found'
        if reference["key"] not in found.get("data", {}):
            return f"couldn't find key {reference['key']} in {named} {namespace}/{reference['name']}"
    return ""


def _make(world: KubernetesWorld, external: Document, name: str) -> None:
    metadata = external["metadata"]
    owner = {"apiVersion": external["apiVersion"], "kind": "ExternalSecret", "name": metadata["name"]}
    owners = [{**owner, "uid": metadata["uid"], "controller": True, "blockOwnerDeletion": True}]
    keys = [each["secretKey"] for each in external["spec"].get("data", [])]
    data = {key: base64.b64encode(key.encode()).decode() for key in keys}
    made: Document = {"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": data}
    made["metadata"] = {"name": name, "namespace": metadata["namespace"], "ownerReferences": owners}
    if external["spec"].get("target", {}).get("immutable"):
        made["immutable"] = True
    world.store.create(SECRET, made)
    synced = copied(external)
    ready = {"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced"}
    synced["status"] = {"conditions": [{**ready, "lastTransitionTime": world.stamp()}]}
    world.store.update(EXTERNAL_SECRET, synced)
