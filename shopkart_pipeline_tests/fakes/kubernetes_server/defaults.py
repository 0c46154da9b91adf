"""What the API server fills in: the defaults of each kind, as far as the recordings and the reference show them."""

import base64
from collections.abc import Callable
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def fill_in(kind: str, document: Document) -> None:
    """Fill in an object of this kind."""
    if kind in _BY_KIND:
        _BY_KIND[kind](document)


def _deployment(document: Document) -> None:
    spec = document.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    if not spec.get("minReadySeconds", 1):
        del spec["minReadySeconds"]
    _pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    document.setdefault("status", {})


def _replica_set(document: Document) -> None:
    document["spec"].setdefault("replicas", 1)
    _pod_spec(document["spec"].setdefault("template", {}).setdefault("spec", {}))
    document.setdefault("status", {"replicas": 0})


def _job(document: Document) -> None:
    spec = document["spec"]
    usual = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False}
    for name, value in usual.items():
        spec.setdefault(name, value)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    _pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    document.setdefault("status", {})


def _pod(document: Document) -> None:
    spec = document["spec"]
    _pod_spec(spec)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    lasting = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(each.get("key") == key for each in spec.get("tolerations", [])):
            spec.setdefault("tolerations", []).append({"key": key, **lasting})
    for name, value in {"priority": 0, "enableServiceLinks": True, "preemptionPolicy": "PreemptLowerPriority"}.items():
        spec.setdefault(name, value)
    document.setdefault("status", {"phase": "Pending", "qosClass": _quality(spec)})


def _pod_spec(spec: Document) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        _container(container)
    for volume in spec.get("volumes", []):
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if source in volume:
                volume[source].setdefault("defaultMode", 420)


def _container(container: Document) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = container.get("image", "")
    tagged = "@" in image or (":" in image.rsplit("/", 1)[-1] and not image.endswith(":latest"))
    container.setdefault("imagePullPolicy", "IfNotPresent" if tagged else "Always")
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", []):
        if "fieldRef" in variable.get("valueFrom", {}):
            variable["valueFrom"]["fieldRef"].setdefault("apiVersion", "v1")
    for name in _PROBES:
        if name in container:
            _probe(container[name])


def _probe(probe: Document) -> None:
    periods = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    for name, value in periods.items():
        if not probe.get(name):
            probe[name] = value
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")


def _quality(spec: Document) -> str:
    resources = [container.get("resources", {}) for container in spec.get("containers", [])]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    complete = [set(each.get("limits", {})) >= {"cpu", "memory"} for each in resources]
    same = [
        all(each["limits"].get(name) == value for name, value in each.get("requests", {}).items())
        for each in resources
        if each.get("limits")
    ]
    return "Guaranteed" if all(complete) and all(same) else "Burstable"


def _service(document: Document) -> None:
    spec = document.setdefault("spec", {})
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    defaults: dict[str, Any] = {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
    for name, value in {**defaults, "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}.items():
        spec.setdefault(name, value)
    if "clusterIP" in spec:
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    document.setdefault("status", {"loadBalancer": {}})


def _secret(document: Document) -> None:
    document.setdefault("type", "Opaque")
    for name, value in document.pop("stringData", {}).items():
        document.setdefault("data", {})[name] = base64.b64encode(value.encode()).decode()


def _autoscaler(document: Document) -> None:
    spec = document.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    target = {"type": "Utilization", "averageUtilization": 80}
    spec.setdefault("metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
    document.setdefault("status", {"currentMetrics": None, "desiredReplicas": 0})


def _network_policy(document: Document) -> None:
    spec = document.setdefault("spec", {})
    spec.setdefault("policyTypes", ["Ingress", *(["Egress"] if "egress" in spec else [])])
    for side in ("ingress", "egress"):
        for rule in spec.get(side, []):
            for port in rule.get("ports", []):
                port.setdefault("protocol", "TCP")


def _budget(document: Document) -> None:
    nothing = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    document.setdefault("status", nothing)


def _namespace(document: Document) -> None:
    name = document["metadata"]["name"]
    document["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    document.setdefault("spec", {"finalizers": ["kubernetes"]})
    document.setdefault("status", {"phase": "Active"})


def _route(document: Document) -> None:
    spec = document.setdefault("spec", {})
    for parent in spec.get("parentRefs", []):
        parent.setdefault("group", "gateway.networking.k8s.io")
        parent.setdefault("kind", "Gateway")
    for rule in spec.get("rules", []):
        rule.setdefault("matches", [{"path": {"type": "PathPrefix", "value": "/"}}])
        for backend in rule.get("backendRefs", []):
            backend.setdefault("group", "")
            backend.setdefault("kind", "Service")
            backend.setdefault("weight", 1)


def _event(document: Document) -> None:
    for name, value in {"firstTimestamp": None, "lastTimestamp": None, "eventTime": None, "source": {}}.items():
        document.setdefault(name, value)
    document.setdefault("reportingComponent", "")
    document.setdefault("reportingInstance", "")


_BY_KIND: dict[str, Callable[[Document], None]] = {
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Job": _job,
    "Pod": _pod,
    "Service": _service,
    "Secret": _secret,
    "HorizontalPodAutoscaler": _autoscaler,
    "NetworkPolicy": _network_policy,
    "PodDisruptionBudget": _budget,
    "ResourceQuota": lambda document: document.setdefault("status", {}),
    "Namespace": _namespace,
    "HTTPRoute": _route,
    "Event": _event,
}
