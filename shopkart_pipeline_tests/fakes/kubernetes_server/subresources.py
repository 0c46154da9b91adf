"""Scale, log, eviction, and the proxy to pods and services."""

import httpx
from starlette.requests import Request
from starlette.responses import Response

from shopkart_pipeline_tests.fakes.kubernetes_server import crud, deletion, ownership
from shopkart_pipeline_tests.fakes.kubernetes_server.call import Answer, Call
from shopkart_pipeline_tests.fakes.kubernetes_server.ownership import Manager
from shopkart_pipeline_tests.fakes.kubernetes_server.patches import json_patch, merge_patch
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import (
    Document,
    Refusal,
    bad_request,
    modified,
    too_many_requests,
)
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import BUDGET, ENDPOINT_SLICE, POD, Resource
from shopkart_pipeline_tests.fakes.kubernetes_server.selectors import selector_matches
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld


def operate(call: Call) -> Answer:
    """Do what a call asks of a subresource."""
    match call.part:
        case "scale":
            return _scale(call)
        case "log":
            return _log(call)
        case _:
            evict(call.world, call.namespace, call.name, call.body or {})
            return Answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)


def scale_of(document: Document) -> Document:
    """The `Scale` of a Deployment or ReplicaSet."""
    known = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {name: document["metadata"][name] for name in known}
    labels = document["spec"]["selector"].get("matchLabels", {})
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    status = {"replicas": document["status"].get("replicas", 0), "selector": selector}
    spec = {"replicas": document["spec"]["replicas"]} if document["spec"]["replicas"] else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def scale(world: KubernetesWorld, resource: Resource, live: Document, replicas: int, manager: Manager) -> Document:
    """Want another number of replicas, as `manager`."""
    wanted = copied(live)
    wanted["spec"]["replicas"] = replicas
    owners = world.store.owners[(resource, live["metadata"]["namespace"], live["metadata"]["name"])].copy()
    ownership.note_update(owners, crud.schema_of(resource), live, wanted, manager, world.stamp())
    return world.store.update(resource, wanted, owners)


def evict(world: KubernetesWorld, namespace: str, name: str, eviction: Document) -> None:
    """Delete a pod if its disruption budgets allow it. Raises a refusal (429) if not."""
    pod = crud.get(world, POD, namespace, name)
    ended = pod["status"]["phase"] in ("Failed", "Succeeded", "Pending") or "deletionTimestamp" in pod["metadata"]
    for budget in [] if ended else world.store.all(BUDGET, namespace):
        if selector_matches(budget["spec"].get("selector"), pod["metadata"].get("labels", {})):
            _spend(world, budget)
    target = copied(pod)
    condition = {"type": "DisruptionTarget", "status": "True", "lastProbeTime": None}
    condition |= {"lastTransitionTime": world.stamp(), "reason": "EvictionByEvictionAPI"}
    target["status"].setdefault("conditions", []).append({**condition, "message": "Eviction API: evicting"})
    world.store.update(POD, target)
    deletion.delete(world, POD, namespace, name, eviction.get("deleteOptions") or {})


def _spend(world: KubernetesWorld, budget: Document) -> None:
    name, spent = budget["metadata"]["name"], copied(budget)
    status = spent["status"]
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        refusal = too_many_requests(name, f"The disruption budget {name} is still being processed by the server.")
        refusal.headers["Retry-After"] = "10"
        raise refusal
    if status.get("disruptionsAllowed", 0) <= 0:
        needed, there = status["desiredHealthy"], status["currentHealthy"]
        raise too_many_requests(
            name, f"The disruption budget {name} needs {needed} healthy pods and has {there} currently"
        )
    status["disruptionsAllowed"] -= 1
    world.store.update(BUDGET, spent)


def _scale(call: Call) -> Answer:
    live = crud.get(call.world, call.resource, call.namespace, call.name)
    current = scale_of(live)
    if call.verb == "get":
        return Answer(current)
    if call.verb == "update":
        wanted = call.body
    elif isinstance(call.body, list):
        wanted = json_patch(copied(current), call.body)
    else:
        wanted = merge_patch(current, call.body)
    version = wanted.get("metadata", {}).get("resourceVersion")
    if version and version != live["metadata"]["resourceVersion"]:
        raise modified(call.resource, call.name)
    replicas = wanted.get("spec", {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        why = f"spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0"
        raise Refusal(422, "Invalid", f'Scale.autoscaling "{call.name}" is invalid: {why}')
    operation = "Apply" if call.content_type.endswith("yaml") else "Update"
    return Answer(scale_of(scale(call.world, call.resource, live, replicas, call.manager(operation))))


def _log(call: Call) -> Answer:
    """What the container wrote, all of it when it started: the last run's with `previous`, as far as `tailLines` and
    `limitBytes` allow."""
    pod = crud.get(call.world, POD, call.namespace, call.name)
    container = pod["spec"]["containers"][0]
    named = call.query.get("container", container["name"])
    found = [each for each in pod["status"].get("containerStatuses", []) if each["name"] == named]
    if not found:
        if "containerStatuses" in pod["status"]:
            raise bad_request(f"container {named} is not valid for pod {call.name}")
        raise bad_request(f"pod {call.name} does not have a host assigned")
    waiting = found[0]["state"].get("waiting", {}).get("reason", "")
    previous = call.asks("previous")
    if previous and "terminated" not in found[0].get("lastState", {}):
        raise bad_request(f'previous terminated container "{named}" in pod "{call.name}" not found')
    if waiting in ("ContainerCreating", "ErrImagePull", "ImagePullBackOff") and not previous:
        why = "image can't be pulled" if waiting == "ErrImagePull" else "trying and failing to pull image"
        why = "ContainerCreating" if waiting == "ContainerCreating" else why
        raise bad_request(f'container "{named}" in pod "{call.name}" is waiting to start: {why}')
    lines = call.world.behaviours.of(container).log.splitlines(keepends=True)
    if "tailLines" in call.query:
        lines = lines[-int(call.query["tailLines"]) :] if call.query["tailLines"] != "0" else []
    if call.asks("timestamps"):
        began = found[0].get("lastState" if previous else "state", {})
        stamp = next((each["startedAt"] for each in began.values() if "startedAt" in each), call.world.stamp())
        lines = [f"{stamp} {line}" for line in lines]
    text = "".join(lines)
    return Answer(text[: int(call.query["limitBytes"])] if "limitBytes" in call.query else text)


async def proxied(call: Call, request: Request) -> Response:
    """Pass a request on to a pod, or to a ready endpoint of a service; `name`, `name:port` or `scheme:name:port`."""
    parts = call.name.split(":")
    name, port = (parts[1], parts[2]) if len(parts) == 3 else (parts[0], parts[1] if len(parts) > 1 else "")
    with call.world.lock:
        targets = _endpoints(call, name, port)
    if not targets:
        raise Refusal(503, "ServiceUnavailable", f'no endpoints available for service "{name}"')
    address = call.world.chance.choice(targets)
    try:
        async with httpx.AsyncClient(timeout=30.0) as client:
            path = f"http://{address}/{call.rest}"
            got = await client.request(request.method, path, content=await request.body(), params=call.query)
    except httpx.HTTPError as error:
        raise Refusal(503, "ServiceUnavailable", f"error trying to reach service: {error}") from None
    return Response(got.content, got.status_code, media_type=got.headers.get("content-type"))


def _endpoints(call: Call, name: str, port: str) -> list[str]:
    if call.resource is POD:
        pod = crud.get(call.world, POD, call.namespace, name)
        ports = pod["spec"]["containers"][0].get("ports", [{"containerPort": 80}])
        return [f"{pod['status']['podIP']}:{port or ports[0]['containerPort']}"] if "podIP" in pod["status"] else []
    service = crud.get(call.world, call.resource, call.namespace, name)
    wanted = [each for each in service["spec"]["ports"] if port in ("", str(each["port"]), each.get("name"))]
    if not wanted:
        raise Refusal(503, "ServiceUnavailable", f'no service port "{port}" found for service "{name}"')
    found: list[str] = []
    for sliced in call.world.store.all(ENDPOINT_SLICE, call.namespace):
        if sliced["metadata"]["labels"]["kubernetes.io/service-name"] == name:
            numbers = [each["port"] for each in sliced["ports"] or [] if each["name"] == wanted[0].get("name", "")]
            ready = [each for each in sliced["endpoints"] or [] if each["conditions"]["ready"]]
            found += [f"{each['addresses'][0]}:{numbers[0]}" for each in ready if numbers]
    return found
