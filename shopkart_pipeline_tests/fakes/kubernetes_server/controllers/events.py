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
    identity = {"kind": "Event", "apiVersion": "v1", "metadata": {"name": name, "namespace": metadata["namespace"]}}
    told_by = _scheduler(world, reason) if component == "default-scheduler" else _recorder(world, about, component)
    said = {"reason": reason, "message": message, "type": "Warning" if warning else "Normal"}
    involved = {"involvedObject": _involved(about, container)}
    world.store.create(EVENT, {**identity, **involved, **said, **told_by, "reportingComponent": component})


def _involved(about: Document, container: str) -> Document:
    known = ("namespace", "name", "uid", "resourceVersion")
    part = {"fieldPath": f"spec.containers{{{container}}}"} if container else {}
    identity = {"kind": about["kind"], "apiVersion": about["apiVersion"]}
    return {**identity, **{name: about["metadata"][name] for name in known}, **part}


def _scheduler(world: KubernetesWorld, reason: str) -> Document:
    """The newer kind of event."""
    action = "Binding" if reason == "Scheduled" else "Scheduling"
    times = {"firstTimestamp": None, "lastTimestamp": None, "eventTime": world.stamp_micro()}
    return {"source": {}, **times, "action": action, "reportingInstance": "default-scheduler-vm"}


def _recorder(world: KubernetesWorld, about: Document, component: str) -> Document:
    """The older kind, which counts."""
    host = about.get("spec", {}).get("nodeName", "") if component == "kubelet" else ""
    source = {"component": component} | ({"host": host} if host else {})
    times = {"firstTimestamp": world.stamp(), "lastTimestamp": world.stamp(), "eventTime": None}
    return {"source": source, "count": 1, **times, "reportingInstance": host}
