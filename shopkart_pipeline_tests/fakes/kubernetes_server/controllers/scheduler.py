"""The scheduler: a node for every pod, by requested CPU, memory and number of pods."""

from collections import Counter

from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.events import tell
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import NODE, POD
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_UNITS = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}
_PREEMPTION = (
    "no new claims to deallocate, preemption: 0/{0} nodes are available: {0} Preemption is not helpful for scheduling."
)


def quantity(written: str | float) -> float:
    """A quantity such as `250m` or `64Mi` as a number."""
    text = str(written)
    unit = next((unit for unit in sorted(_UNITS, key=len, reverse=True) if text.endswith(unit)), "")
    return float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)


def reconcile(world: KubernetesWorld) -> None:
    for pod in world.store.all(POD):
        if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]:
            _place(world, pod)


def _place(world: KubernetesWorld, pod: Document) -> None:
    nodes, refusals = world.store.all(NODE), Counter[str]()
    fitting: list[tuple[int, str]] = []
    for node in nodes:
        here = [each for each in world.store.all(POD) if each["spec"].get("nodeName") == node["metadata"]["name"]]
        here = [each for each in here if each["status"]["phase"] not in ("Failed", "Succeeded")]
        why = _unfit(node, pod, here)
        if why:
            refusals[why] += 1
        else:
            fitting.append((len(here), node["metadata"]["name"]))
    changed = copied(pod)
    conditions = changed["status"].setdefault("conditions", [])
    conditions[:] = [each for each in conditions if each["type"] != "PodScheduled"]
    made = {"type": "PodScheduled", "lastProbeTime": None, "lastTransitionTime": world.stamp()}
    if fitting:
        changed["spec"]["nodeName"] = min(fitting)[1]
        conditions.append({**made, "status": "True"})
        bound = world.store.update(POD, changed)
        where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']} to {changed['spec']['nodeName']}"
        tell(world, bound, "default-scheduler", "Scheduled", f"Successfully assigned {where}")
        return
    reasons = ", ".join(f"{count} {why}" for why, count in sorted(refusals.items()))
    message = f"0/{len(nodes)} nodes are available: {reasons}. {_PREEMPTION.format(len(nodes))}"
    known = next((each for each in pod["status"].get("conditions", []) if each["type"] == "PodScheduled"), None)
    if known is None or known.get("message") != message:
        told = {"observedGeneration": 1, "status": "False", "reason": "Unschedulable", "message": message}
        conditions.append({**made, **told})
        tell(world, world.store.update(POD, changed), "default-scheduler", "FailedScheduling", message, warning=True)


def _unfit(node: Document, pod: Document, here: list[Document]) -> str:
    """Why a pod can't be on a node; empty if it can."""
    if node["spec"].get("unschedulable"):
        return "node(s) were unschedulable"
    ready = [each for each in node["status"]["conditions"] if each["type"] == "Ready"]
    if not ready or ready[0]["status"] != "True":
        return "node(s) had untolerated taint(s)"
    can = node["status"]["allocatable"]
    if len(here) + 1 > int(can["pods"]):
        return "Too many pods"
    for name in ("cpu", "memory"):
        if _requested(pod, name) + sum(_requested(each, name) for each in here) > quantity(can[name]):
            return f"Insufficient {name}"
    wanted = pod["spec"].get("nodeSelector", {})
    if any(node["metadata"].get("labels", {}).get(key) != value for key, value in wanted.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def _requested(pod: Document, name: str) -> float:
    asked = [each.get("resources", {}).get("requests", {}).get(name, 0) for each in pod["spec"]["containers"]]
    return sum(map(quantity, asked))
