"""EndpointSlices of services with selectors, a moment after the pods changed. One slice each; a hundred endpoints and
more, dual stack and topology hints are not emulated."""

from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.replicaset import is_ready
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import ENDPOINT_SLICE, POD, SERVICE
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_SERVICE_LABEL = "kubernetes.io/service-name"
_CHANGED = "endpoints.kubernetes.io/last-change-trigger-time"


def reconcile(world: KubernetesWorld) -> None:
    due = world.memory.setdefault("endpoints", {})
    for service in world.store.all(SERVICE):
        uid = service["metadata"]["uid"]
        if not service["spec"].get("selector"):
            continue
        current = next((each for resource, each in world.store.with_owner(uid) if resource is ENDPOINT_SLICE), None)
        endpoints, ports = _wanted(world, service)
        if current is not None and (current["endpoints"] or [], current["ports"] or []) == (endpoints, ports):
            due.pop(uid, None)
            continue
        since = due.setdefault(uid, world.now())
        if current is None or (world.now() - since).total_seconds() >= world.pace.endpoints_lag:
            due.pop(uid, None)
            _write(world, service, current, endpoints, ports)


def _wanted(world: KubernetesWorld, service: Document) -> tuple[list[Document], list[Document]]:
    selector, endpoints = service["spec"]["selector"].items(), list[Document]()
    pods = [pod for pod in world.store.all(POD, service["metadata"]["namespace"]) if "podIP" in pod["status"]]
    pods = [pod for pod in pods if selector <= pod["metadata"].get("labels", {}).items()]
    ports: list[Document] = []
    for pod in sorted(pods, key=lambda each: each["metadata"]["creationTimestamp"]):
        if pod["status"]["phase"] in ("Failed", "Succeeded"):
            continue
        terminating, ready = "deletionTimestamp" in pod["metadata"], is_ready(pod)
        anyhow = service["spec"].get("publishNotReadyAddresses", False)
        conditions = {"ready": (ready or anyhow) and not terminating, "serving": ready, "terminating": terminating}
        target = {"kind": "Pod"} | {name: pod["metadata"][name] for name in ("namespace", "name", "uid")}
        endpoint = {"addresses": [pod["status"]["podIP"]], "conditions": conditions, "targetRef": target}
        endpoints.append({**endpoint, "nodeName": pod["spec"]["nodeName"]})
        ports = ports or [_port(each, pod) for each in service["spec"].get("ports", [])]
    return endpoints, ports


def _port(port: Document, pod: Document) -> Document:
    number = port["targetPort"]
    if isinstance(number, str):
        named = [
            each for one in pod["spec"]["containers"] for each in one.get("ports", []) if each.get("name") == number
        ]
        number = named[0]["containerPort"] if named else 0
    return {"name": port.get("name", ""), "protocol": port["protocol"], "port": number}


def _write(
    world: KubernetesWorld,
    service: Document,
    current: Document | None,
    endpoints: list[Document],
    ports: list[Document],
) -> None:
    metadata = service["metadata"]
    if current is not None:
        changed = copied(current)
        changed |= {"endpoints": endpoints or None, "ports": ports or None}
        changed["metadata"]["annotations"][_CHANGED] = world.stamp()
        world.store.update(ENDPOINT_SLICE, changed)
        return
    owner = {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"]}
    labels = {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        _SERVICE_LABEL: metadata["name"],
    }
    made = {"name": f"{metadata['name']}-{world.suffix()}", "generateName": f"{metadata['name']}-"}
    made |= {"namespace": metadata["namespace"], "labels": labels, "annotations": {_CHANGED: world.stamp()}}
    made["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    document = {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "metadata": made, "addressType": "IPv4"}
    world.store.create(ENDPOINT_SLICE, {**document, "endpoints": endpoints or None, "ports": ports or None})
