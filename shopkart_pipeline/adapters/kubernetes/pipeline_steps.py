"""Where pods of steps are: a namespace of their own, with nothing in it that whoever makes pods there could use.

Rights of Kubernetes know no difference between pods: whoever may make one may give it any account and any secret of its
namespace. So what makes pods of steps may do so here alone, where there is no secret, no config map, no volume, and one
account without rights and without an identity in the cloud. Runs of pull requests may, and kinds of runs with a stage
that declares a pod of its own; the others have no token.

A step reaches the run that made it, at the ports of the handover, and what is declared; no pod is reached by anybody.

Sources: Kubernetes, "Pod Security Admission", "Network Policies", "Good practices for RBAC" (workload creation).
"""

from collections.abc import Mapping

from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.network import egress_rules
from shopkart_pipeline.adapters.kubernetes.pipeline_pods import KIND_LABEL
from shopkart_pipeline.adapters.kubernetes.step_pod import ACCOUNT, STEPS
from shopkart_pipeline.domain.declaration import Phase, Pipeline
from shopkart_pipeline.domain.run_pods import ACCOUNTS, RunKind
from shopkart_pipeline.domain.step_pods import HANDOVER_PORTS, StepPodsMode, steps_namespace

_PHASES = {RunKind.BUILDS: Phase.CI, RunKind.STAGING: Phase.STAGING}
_AT_ONCE = 4
"""Stages of one run that are at work at the same time (`engine.executor`)."""
_SPARE = 2
"""Pods that are being removed count, too."""
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_RIGHTS: list[Manifest] = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]
_PART = {"app.kubernetes.io/part-of": "shopkart-pipeline"}


def modes(pipeline: Pipeline) -> Mapping[RunKind, StepPodsMode]:
    """What each kind of run puts into pods of its own."""
    found = dict.fromkeys(RunKind, StepPodsMode.NEVER)
    for kind, phase in _PHASES.items():
        stages = [stage for service in pipeline.services.values() for stage in service.stages_of(phase)]
        if any(stage.pod is not None for stage in stages):
            found[kind] = StepPodsMode.DECLARED
    return {**found, RunKind.PULL_REQUESTS: StepPodsMode.PROPOSED}


def step_objects(namespace: str, pipeline: Pipeline) -> list[Manifest]:
    """The namespace of steps and all that is in it."""
    place = steps_namespace(namespace)
    makers = sorted({ACCOUNTS[kind] for kind, mode in modes(pipeline).items() if mode is not StepPodsMode.NEVER})
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place, "labels": levels}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _meta(place, ACCOUNT),
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": _meta(place, "shopkart-steps"),
            "spec": {"hard": {"pods": str(pipeline.concurrency.runs * _AT_ONCE * _SPARE)}},
        },
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": _meta(place, "step-maker"), "rules": _RIGHTS},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": _meta(place, "step-maker"),
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "step-maker"},
            "subjects": [{"kind": "ServiceAccount", "name": each, "namespace": namespace} for each in makers],
        },
        _policy(place, "shopkart-steps-shut", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        _policy(place, "shopkart-steps", _step_spec(namespace, pipeline)),
    ]


def handover_ingress(namespace: str) -> Manifest:
    """How steps come to runs."""
    return {"from": [_pods_of(steps_namespace(namespace), {KIND_LABEL: STEPS})], "ports": [_handover_ports()]}


def api_egress() -> Manifest:
    """How runs come to the API of a cluster whose nodes reach it by private addresses. It has no name in policies, and
    some plugins see the address of its Service and others that of the server."""
    return {
        "to": [{"ipBlock": {"cidr": each}} for each in _PRIVATE],
        "ports": [{"port": port, "protocol": "TCP"} for port in (443, 6443)],
    }


def _step_spec(namespace: str, pipeline: Pipeline) -> Manifest:
    runs = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchExpressions": [{"key": KIND_LABEL, "operator": "Exists"}]},
    }
    return {
        "podSelector": {"matchLabels": {KIND_LABEL: STEPS}},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"to": [runs], "ports": [_handover_ports()]}, *_declared(pipeline.step_pod.egress)],
    }


def _declared(destinations: tuple[str, ...] | None) -> list[Manifest]:
    """What is declared, and names only where something is to be found by one: questions to DNS carry words outside."""
    if not destinations:
        return []
    inside = len(egress_rules(()))
    asked = {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
        "ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")],
    }
    return [asked, *egress_rules(destinations)[inside:]]


def _pods_of(namespace: str, labels: dict[str, str]) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    }


def _handover_ports() -> Manifest:
    first, last = HANDOVER_PORTS
    return {"port": first, "endPort": last, "protocol": "TCP"}


def _policy(namespace: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _meta(namespace, name),
        "spec": spec,
    }


def _meta(namespace: str, name: str) -> Manifest:
    return {"name": name, "namespace": namespace, "labels": dict(_PART)}
