"""Events, as controllers and the kubelet tell them: the same one again is counted, not told twice, and from the tenth
different one of a reason on they are combined."""

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import EVENT
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_MOST_SIMILAR = 10


def tell(
    world: KubernetesWorld,
    about: Document,
    component: str,
    reason: str,
    message: str,
    warning: bool = False,
    container: str = "",
) -> None:
    """Write an event about an object."""
    metadata = about["metadata"]
    known = world.memory.setdefault("events", {})
    similar = world.memory.setdefault("similar events", {}).setdefault((metadata["uid"], component, reason), set())
    similar.add(message)
    key = (metadata["uid"], component, reason, message)
    if len(similar) >= _MOST_SIMILAR:
        similar.discard(message)
        key, message = (metadata["uid"], component, reason, ""), f"(combined from similar events): {message}"
    told = world.store.get(EVENT, metadata["namespace"], known.get(key, ""))
    if told is not None:
        again = copied(told)
        again["message"] = message
        again["count"] = again.get("count", 1) + 1
        again["lastTimestamp"] = world.stamp()
        world.store.update(EVENT, again)
        return
    number = world.memory["event number"] = world.memory.get("event number", 0x18EA8B5C00000000) + 1
    name = known[key] = f"{metadata['name']}.{number:x}"
    involved = {"kind": about["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}
    involved |= {"uid": metadata["uid"], "apiVersion": about["apiVersion"]}
    involved["resourceVersion"] = metadata["resourceVersion"]
    if container:
        involved["fieldPath"] = f"spec.containers{{{container}}}"
    event: Document = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
    }
    event |= {"involvedObject": involved, "reason": reason, "message": message}
    if component == "default-scheduler":
        event |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": world.stamp_micro()}
        event |= {
            "action": "Binding" if reason == "Scheduled" else "Scheduling",
            "reportingInstance": "default-scheduler-vm",
        }
    else:
        host = about.get("spec", {}).get("nodeName", "") if component == "kubelet" else ""
        event |= {"source": {"component": component} | ({"host": host} if host else {}), "count": 1, "eventTime": None}
        event |= {"firstTimestamp": world.stamp(), "lastTimestamp": world.stamp(), "reportingInstance": host}
    event |= {"type": "Warning" if warning else "Normal", "reportingComponent": component}
    world.store.create(EVENT, event)
