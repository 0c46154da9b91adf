"""How a pod's status shows what goes on in it. Each function changes a pod's document; `now` is the time as Kubernetes
writes it."""

from collections.abc import Callable
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document

Change = Callable[..., None]
_ORDER = ("DisruptionTarget", "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def creating(pod: Document, now: str) -> None:
    """Bound to a node, containers about to begin."""
    status = pod["status"]
    _condition(pod, now, "PodReadyToStartContainers", "False")
    _condition(pod, now, "Initialized", "True")
    unready(pod, now)
    _condition(pod, now, "PodScheduled", "True")
    status |= {"hostIP": "192.0.2.2", "hostIPs": [{"ip": "192.0.2.2"}], "startTime": now}
    status["containerStatuses"] = [
        {
            "name": container["name"],
            "state": {"waiting": {"reason": "ContainerCreating"}},
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "image": container["image"],
            "imageID": "",
            "started": False,
        }
        for container in pod["spec"]["containers"]
    ]
    observed(pod, now)


def waiting(pod: Document, now: str, address: str, reason: str, message: str) -> None:
    """It can't begin: no image, or no configuration."""
    _network(pod, now, address)
    for each in pod["status"]["containerStatuses"]:
        each["state"] = {"waiting": {"reason": reason, "message": message}}


def running(pod: Document, now: str, address: str, restarts: int, image: str) -> None:
    """The process began."""
    _network(pod, now, address)
    pod["status"]["phase"] = "Running"
    for container, each in zip(pod["spec"]["containers"], pod["status"]["containerStatuses"], strict=True):
        if "terminated" in each["state"]:
            each["lastState"] = each["state"]
        each |= {"state": {"running": {"startedAt": now}}, "restartCount": restarts, "started": True, "imageID": image}
        requests = container.get("resources", {}).get("requests")
        if requests:
            each |= {"allocatedResources": requests, "resources": {"requests": requests}}
        each["containerID"] = f"containerd://{pod['metadata']['uid'].replace('-', '')}{restarts:032x}"


def ready(pod: Document, now: str) -> None:
    for kind in ("Ready", "ContainersReady"):
        _condition(pod, now, kind, "True")
    for each in pod["status"].get("containerStatuses", []):
        each["ready"] = True


def unready(pod: Document, now: str) -> None:
    message = f"containers with unready status: [{' '.join(_names(pod))}]"
    for kind in ("Ready", "ContainersReady"):
        _condition(pod, now, kind, "False", "ContainersNotReady", message)
    for each in pod["status"].get("containerStatuses", []):
        each["ready"] = False


def backing_off(pod: Document, now: str, message: str) -> None:
    """Down, and waiting before the next run."""
    del now
    for each in pod["status"]["containerStatuses"]:
        if "terminated" in each["state"]:
            each["lastState"] = each["state"]
        each["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}


def abandoned(pod: Document, now: str) -> None:
    """Deleted while no process runs."""
    del now
    for each in pod["status"]["containerStatuses"]:
        if "terminated" in each["lastState"]:
            each["state"] = each["lastState"]
        elif "waiting" in each["state"]:
            each["state"] = {"waiting": {"reason": "ContainerCreating"}}


def exited(pod: Document, now: str, code: int, for_good: bool) -> None:
    """The process ended."""
    for each in pod["status"]["containerStatuses"]:
        began = each["state"].get("running", {}).get("startedAt")
        if "running" in each["state"] or not any("terminated" in each[name] for name in ("state", "lastState")):
            ended: dict[str, Any] = {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}
            if began is None:
                ended["reason"] = "ContainerStatusUnknown"
                ended["message"] = "The container could not be located when the pod was terminated"
            ended |= {"startedAt": began, "finishedAt": now if began else None}
            if "containerID" in each:
                ended["containerID"] = each["containerID"]
            each["state"] = {"terminated": ended}
        elif "terminated" not in each["state"]:
            each["state"] = each["lastState"]
        each |= {"ready": False, "started": False}
    if for_good:
        pod["status"]["phase"] = "Succeeded" if code == 0 else "Failed"
        reason = "PodCompleted" if code == 0 else "PodFailed"
        _condition(pod, now, "PodReadyToStartContainers", "False")
        for kind in ("Ready", "ContainersReady"):
            _condition(pod, now, kind, "False", reason)
    else:
        unready(pod, now)


def observed(pod: Document, now: str) -> None:
    """The kubelet saw this generation."""
    del now
    generation = pod["metadata"]["generation"]
    pod["status"]["observedGeneration"] = generation
    for each in pod["status"].get("conditions", []):
        each["observedGeneration"] = generation


def _network(pod: Document, now: str, address: str) -> None:
    pod["status"] |= {"podIP": address, "podIPs": [{"ip": address}]}
    _condition(pod, now, "PodReadyToStartContainers", "True")


def _names(pod: Document) -> list[str]:
    return [container["name"] for container in pod["spec"]["containers"]]


def _condition(pod: Document, now: str, kind: str, value: str, reason: str = "", message: str = "") -> None:
    conditions = pod["status"].setdefault("conditions", [])
    known = next((each for each in conditions if each["type"] == kind), None)
    made: Document = {"type": kind, "status": value, "lastProbeTime": None, "lastTransitionTime": now}
    if known is not None and known["status"] == value:
        made["lastTransitionTime"] = known["lastTransitionTime"]
    if "observedGeneration" in pod["status"]:
        made["observedGeneration"] = pod["status"]["observedGeneration"]
    made |= ({"reason": reason} if reason else {}) | ({"message": message} if message else {})
    conditions[:] = sorted([each for each in conditions if each["type"] != kind] + [made], key=_place)


def _place(condition: Document) -> int:
    return _ORDER.index(condition["type"]) if condition["type"] in _ORDER else len(_ORDER)
