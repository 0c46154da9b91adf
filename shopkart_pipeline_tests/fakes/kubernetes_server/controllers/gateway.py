"""What shares requests out by weight, a moment after it was told to: a gateway, and an ALB in front of pods.

The gateway accepts routes and says for which generation it routes. The ALB goes by the annotations of its Ingress, and
tells nothing but its address.
"""

import json

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import INGRESS, ROUTE, SERVICE
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_CONTROLLER = "example.net/emulated-gateway"
_ALB = "alb.ingress.kubernetes.io"


def reconcile(world: KubernetesWorld) -> None:
    changed_at = world.memory.setdefault("routes", {})
    for route in world.store.all(ROUTE):
        key = (route["metadata"]["uid"], route["metadata"]["generation"])
        since = changed_at.setdefault(key, world.now())
        if (world.now() - since).total_seconds() >= world.pace.gateway_lag:
            changed = copied(route)
            changed["status"] = {
                "parents": [_parent(world, route, each) for each in route["spec"].get("parentRefs", [])]
            }
            world.store.update(ROUTE, changed)
            name = (route["metadata"]["namespace"], route["metadata"]["name"])
            world.memory.setdefault("routed", {})[name] = _backends(route)


def reconcile_ingresses(world: KubernetesWorld) -> None:
    """The AWS load balancer controller, as far as a forward action with weights goes."""
    changed_at = world.memory.setdefault("ingresses", {})
    for ingress in world.store.all(INGRESS):
        if ingress["spec"].get("ingressClassName") != "alb":
            continue
        namespace, name = ingress["metadata"]["namespace"], ingress["metadata"]["name"]
        forward = _forward(ingress)
        since = changed_at.setdefault((ingress["metadata"]["uid"], str(forward)), world.now())
        if (world.now() - since).total_seconds() >= world.pace.gateway_lag:
            changed = copied(ingress)
            changed["status"] = {"loadBalancer": {"ingress": [{"hostname": f"{name}.elb.example.net"}]}}
            world.store.update(INGRESS, changed)
            world.memory.setdefault("balanced", {})[namespace, name] = forward
            for key in [key for key in changed_at if key[0] == ingress["metadata"]["uid"] and key[1] != str(forward)]:
                del changed_at[key]  # The same weights may come again.


def _forward(ingress: Document) -> list[tuple[int, str]]:
    """Weights and services of the action that the first path of an Ingress leads to."""
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
    action = json.loads(ingress["metadata"]["annotations"][f"{_ALB}/actions.{backend}"])
    return [(each["weight"], each["serviceName"]) for each in action["forwardConfig"]["targetGroups"]]


def _backends(route: Document) -> list[tuple[int, str]]:
    """Weights and services of the route's first rule."""
    rules = route["spec"].get("rules", [])
    return [(each["weight"], each["name"]) for each in rules[0].get("backendRefs", [])] if rules else []


def _parent(world: KubernetesWorld, route: Document, parent: Document) -> Document:
    namespace, missing = route["metadata"]["namespace"], list[str]()
    for rule in route["spec"].get("rules", []):
        names = [each["name"] for each in rule.get("backendRefs", [])]
        missing += [name for name in names if world.store.get(SERVICE, namespace, name) is None]
    resolved = (
        ("False", "BackendNotFound", f"service {missing[0]} not found") if missing else ("True", "ResolvedRefs", "")
    )
    conditions = [_condition(world, route, "Accepted", "True", "Accepted", "")]
    conditions.append(_condition(world, route, "ResolvedRefs", *resolved))
    return {"parentRef": parent, "controllerName": _CONTROLLER, "conditions": conditions}


def _condition(world: KubernetesWorld, route: Document, kind: str, value: str, reason: str, message: str) -> Document:
    known = [
        each
        for parent in route.get("status", {}).get("parents", [])
        for each in parent["conditions"]
        if each["type"] == kind and each["status"] == value
    ]
    since = known[0]["lastTransitionTime"] if known else world.stamp()
    told = {"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}
    return {**told, "observedGeneration": route["metadata"]["generation"]}
