"""Deployment, disruption budget and autoscaler of a track.

A rolling update never takes a ready replica away before another one has been ready for a while. With an autoscaler the
number of replicas is not ours: the field is left out, so that server-side apply neither sets nor fights over it, and
while a canary has part of the traffic the autoscaler may only scale up, because stable's load falls then and has to fit
again when the traffic comes back. Each track has a disruption budget of its own, so that a canary which does not get
ready never keeps a node from being drained.

Sources: Kubernetes, "Deployments", "Specifying a Disruption Budget", "Horizontal Pod Autoscaling".
"""

import math
from typing import Any

from shopkart_pipeline.adapters.kubernetes.foreign import own_autoscaler
from shopkart_pipeline.adapters.kubernetes.names import REQUESTS_METRIC, Manifest, Place, metadata, selector
from shopkart_pipeline.adapters.kubernetes.pod import pod_template
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

_SHORTEST_PROGRESS_DEADLINE_SECONDS = 120
_SCHEDULING_SECONDS = 60
"""To find a node and pull an image; what a pod needs beyond that it says itself."""
_KEPT_REVISIONS = 5
_CALM_SECONDS = 300


def deployment(place: Place, track: Track, spec: WorkloadSpec) -> Manifest:
    """The Deployment of a track."""
    scaled = spec.autoscale is not None and track is Track.STABLE
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(place, place.track_name(track), track, spec),
        "spec": {
            **({} if scaled else {"replicas": spec.replicas}),
            "minReadySeconds": math.ceil(spec.pod.minimum_ready_seconds),
            "progressDeadlineSeconds": _progress_deadline_seconds(spec),
            "revisionHistoryLimit": _KEPT_REVISIONS,
            "selector": {"matchLabels": selector(place, track)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": pod_template(place, track, spec),
        },
    }


def _progress_deadline_seconds(spec: WorkloadSpec) -> int:
    """Longer than one replica may take to be available, or a healthy update would be called stuck."""
    replica = spec.probes.startup_deadline_seconds + spec.pod.minimum_ready_seconds + _SCHEDULING_SECONDS
    return max(_SHORTEST_PROGRESS_DEADLINE_SECONDS, math.ceil(replica))


def disruption_budget(place: Place, track: Track) -> Manifest:
    """At most one replica of a track may be taken away on purpose at a time; one that serves nobody always may."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(place, place.track_name(track), track),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(place, track)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def autoscaler(place: Place, spec: WorkloadSpec, *, only_up: bool = False) -> Manifest | None:
    """The autoscaler of stable; None where the declaration fixes the number of replicas.

    Args:
        place: where it is.
        spec: stable's.
        only_up: keep what is there, as while a canary has part of the traffic.
    """
    if spec.own_manifests is not None:
        return own_autoscaler(place, spec, only_up=only_up)
    if spec.autoscale is None:
        return None
    down = {"selectPolicy": "Disabled"} if only_up else {"stabilizationWindowSeconds": _CALM_SECONDS}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(place, place.service, Track.STABLE),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": place.track_name(Track.STABLE)},
            "minReplicas": spec.autoscale.minimum,
            "maxReplicas": spec.autoscale.maximum,
            "metrics": _scaled_by(spec.autoscale),
            "behavior": {"scaleDown": down},
        },
    }


def _scaled_by(autoscale: Autoscale) -> list[dict[str, Any]]:
    """Of several metrics the one that asks for most replicas decides, and while one of them is told by nobody, none is
    taken away (Kubernetes, "Horizontal Pod Autoscaling": scaling on multiple metrics)."""
    utilization = {"type": "Utilization", "averageUtilization": autoscale.cpu_percent}
    found: list[dict[str, Any]] = [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}]
    if autoscale.requests_per_replica is not None:
        target = {"type": "AverageValue", "averageValue": _quantity(autoscale.requests_per_replica)}
        found.append({"type": "Pods", "pods": {"metric": {"name": REQUESTS_METRIC}, "target": target}})
    return found


def _quantity(number: float) -> str:
    """As the API writes it: whole, or in thousandths, which are the finest."""
    thousandths = math.ceil(number * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
