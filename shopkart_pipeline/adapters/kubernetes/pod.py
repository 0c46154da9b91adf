"""The pod of a replica: who it is, what it may, when it starts, serves and ends.

It may do as little as the Pod Security Standards' `restricted` profile asks for, and less: its file system is read-only
but for `/tmp`, and it has no token for the API. The three probes have different jobs: the startup probe gives it its
time to start, readiness takes it out of the route for a while, liveness starts it anew, and is slower, so that a busy
replica is relieved before it is killed. A pod that ends goes on serving during `preStop`, because taking its address
out of every route runs beside that; it gets time for that, for draining, and a margin.

Sources: Kubernetes, "Pod Security Standards", "Pod Lifecycle: Termination of Pods", "Pod Topology Spread Constraints".
"""

import math

from shopkart_pipeline.adapters.kubernetes.configuration import variables
from shopkart_pipeline.adapters.kubernetes.names import (
    FIELD_MANAGER,
    MANAGED_BY,
    PORT_NAME,
    VERSION,
    Manifest,
    Place,
    origin,
    selector,
)
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

USER_ID = 65532
"""Whom replicas run as, wherever they run: nobody of the image's own."""
_SCRATCH_SIZE = "256Mi"
_STARTUP_PERIOD_SECONDS = 2


def pod_template(place: Place, track: Track, spec: WorkloadSpec) -> Manifest:
    """The template of a track's pods."""
    return {
        "metadata": {
            "labels": selector(place, track) | {MANAGED_BY: FIELD_MANAGER, VERSION: spec.release_key},
            "annotations": {
                **origin(spec),
                "prometheus.io/scrape": "true",
                "prometheus.io/path": spec.metrics_path,
                "prometheus.io/port": str(spec.pod.port),
            },
        },
        "spec": {
            "serviceAccountName": place.service,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": spec.pod.grace_seconds(spec.drain_seconds),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                _spread(place, track, "topology.kubernetes.io/zone"),
                _spread(place, track, "kubernetes.io/hostname"),
            ],
            "containers": [_container(place, track, spec)],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": _SCRATCH_SIZE}}],
        },
    }


def _container(place: Place, track: Track, spec: WorkloadSpec) -> Manifest:
    resources = spec.pod.resources
    return {
        "name": place.service,
        "image": place.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(spec.command),
        **variables(place, track, spec),
        "ports": [{"name": PORT_NAME, "containerPort": spec.pod.port, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory},
            "limits": {"memory": resources.memory_limit},
        },
        **_probes(spec),
        "lifecycle": {"preStop": {"sleep": {"seconds": math.ceil(spec.pod.pre_stop_seconds)}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }


def _probes(spec: WorkloadSpec) -> Manifest:
    attempts = max(1, math.ceil(spec.probes.startup_deadline_seconds / _STARTUP_PERIOD_SECONDS))
    return {
        "startupProbe": _probe(spec.probes.startup_path, _STARTUP_PERIOD_SECONDS, 2, attempts),
        "readinessProbe": _probe(spec.probes.readiness_path, 2, 2, 3),
        "livenessProbe": _probe(spec.probes.liveness_path, 10, 5, 3),
    }


def _probe(path: str, period_seconds: int, timeout_seconds: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": PORT_NAME, "scheme": "HTTP"},
        "periodSeconds": period_seconds,
        "timeoutSeconds": timeout_seconds,
        "failureThreshold": failures,
    }


def _spread(place: Place, track: Track, topology: str) -> Manifest:
    """Replicas of one version apart from each other, where there is room: an old one must not push a new one aside."""
    return {
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(place, track)},
        "matchLabelKeys": ["pod-template-hash"],
    }
