"""HorizontalPodAutoscalers: replicas by a utilisation that the test sets, with the usual tolerance of a tenth and no
stabilisation; without metrics nothing is scaled. It writes through the `scale` subresource, and owns the replicas
then."""

import math
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server import subresources
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.events import tell
from shopkart_pipeline_tests.fakes.kubernetes_server.ownership import Manager
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import AUTOSCALER, DEPLOYMENT
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_SELF = Manager("kube-controller-manager", "Update", "apps/v1", "scale")
_TOLERANCE = 0.1
_WHAT = "cpu resource utilization (percentage of request)"
_NO_METRICS = (
    "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "
    "metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
)


def reconcile(world: KubernetesWorld) -> None:
    looked = world.memory.setdefault("autoscaled", {})
    for autoscaler in world.store.all(AUTOSCALER):
        uid = autoscaler["metadata"]["uid"]
        last = looked.get(uid)
        if last is None or (world.now() - last).total_seconds() >= world.pace.autoscaling:
            looked[uid] = world.now()
            _look(world, autoscaler)


def _look(world: KubernetesWorld, autoscaler: Document) -> None:
    namespace, target = autoscaler["metadata"]["namespace"], autoscaler["spec"]["scaleTargetRef"]
    deployment = world.store.get(DEPLOYMENT, namespace, target["name"])
    changed = copied(autoscaler)
    if deployment is None:
        message = f'deployments/scale.apps "{target["name"]}" not found'
        changed["status"] = {"currentMetrics": None, "desiredReplicas": 0}
        changed["status"]["conditions"] = [_condition(world, "AbleToScale", "False", "FailedGetScale", message)]
    else:
        changed["status"] = _status(world, autoscaler, deployment)
    world.store.update(AUTOSCALER, changed)


def _status(world: KubernetesWorld, autoscaler: Document, deployment: Document) -> Document:
    spec, current = autoscaler["spec"], deployment["spec"]["replicas"]
    percent = world.cpu_percent(deployment["metadata"]["namespace"], deployment["metadata"]["name"])
    if 0 < current < spec["minReplicas"]:
        why = "Current number of Replicas below Spec.MinReplicas"
        return _bounded(world, autoscaler, deployment, spec["minReplicas"], why)
    if current > spec["maxReplicas"]:
        why = "Current number of Replicas above Spec.MaxReplicas"
        return _bounded(world, autoscaler, deployment, spec["maxReplicas"], why)
    if percent is None:
        return _blind(world, autoscaler, deployment)
    return _scaled(world, autoscaler, deployment, percent)


def _bounded(world: KubernetesWorld, autoscaler: Document, deployment: Document, wanted: int, why: str) -> Document:
    """The status after the bounds alone decided, which need no metrics."""
    subresources.scale(world, DEPLOYMENT, deployment, wanted, _SELF)
    message = f"New size: {wanted}; reason: {why}"
    tell(world, autoscaler, "horizontal-pod-autoscaler", "SuccessfulRescale", message)
    counts = {"currentReplicas": deployment["spec"]["replicas"], "desiredReplicas": wanted, "currentMetrics": None}
    return {"lastScaleTime": world.stamp(), **counts, "conditions": [_able(world)]}


def _blind(world: KubernetesWorld, autoscaler: Document, deployment: Document) -> Document:
    """The status without metrics."""
    tell(world, autoscaler, "horizontal-pod-autoscaler", "FailedGetResourceMetric", _NO_METRICS, warning=True)
    message = f"the HPA was unable to compute the replica count: {_NO_METRICS}"
    failed = _condition(world, "ScalingActive", "False", "FailedGetResourceMetric", message)
    counts = {"currentReplicas": deployment["spec"]["replicas"], "desiredReplicas": 0, "currentMetrics": None}
    return {**counts, "conditions": [_able(world), failed]}


def _scaled(world: KubernetesWorld, autoscaler: Document, deployment: Document, percent: float) -> Document:
    """The status after scaling."""
    current = deployment["spec"]["replicas"]
    wanted, status = _wanted(autoscaler["spec"], current, percent), dict[str, Any]()
    if wanted != current:
        subresources.scale(world, DEPLOYMENT, deployment, wanted, _SELF)
        status["lastScaleTime"] = world.stamp()
        side = "above" if wanted > current else "below"
        message = f"New size: {wanted}; reason: {_WHAT} {side} target"
        tell(world, autoscaler, "horizontal-pod-autoscaler", "SuccessfulRescale", message)
    message = f"the HPA was able to successfully calculate a replica count from {_WHAT}"
    active = _condition(world, "ScalingActive", "True", "ValidMetricFound", message)
    metric = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": round(percent)}}}
    counts = {"currentReplicas": current, "desiredReplicas": wanted, "currentMetrics": [metric]}
    return {**status, **counts, "conditions": [_able(world), active]}


def _able(world: KubernetesWorld) -> Document:
    message = "the HPA controller was able to get the target's current scale"
    return _condition(world, "AbleToScale", "True", "SucceededGetScale", message)


def _wanted(spec: Document, current: int, percent: float) -> int:
    goals = [each["resource"]["target"]["averageUtilization"] for each in spec["metrics"] if each["type"] == "Resource"]
    if current == 0 or not goals:
        return current
    ratio = percent / goals[0]
    wanted = current if abs(ratio - 1) <= _TOLERANCE else math.ceil(current * ratio)
    return min(max(wanted, spec["minReplicas"]), spec["maxReplicas"])


def _condition(world: KubernetesWorld, kind: str, value: str, reason: str, message: str) -> Document:
    return {"type": kind, "status": value, "lastTransitionTime": world.stamp(), "reason": reason, "message": message}
