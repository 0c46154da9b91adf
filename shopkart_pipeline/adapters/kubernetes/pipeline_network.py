"""Who reaches the pods of the pipeline, and whom they reach. Nothing is open that is not said here.

The web interfaces are reached by the proxy that asks for a login and by nobody else; the receiver by everybody, as it
takes only what is signed; metrics by other namespaces' scrapers; the code servers by those who ask for definitions;
the signer by runs of reviewed code. Runs are reached by their steps alone, and connect to what is declared of their
kind, and to the cluster's API where they make pods of steps. A kind with an identity reaches the agent that hands it
out, at its address on the node; one without does not.

Sources: Kubernetes, "Network Policies"; AWS, "Learn how EKS Pod Identity grants pods access".
"""

from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.network import egress_rules
from shopkart_pipeline.adapters.kubernetes.pipeline_pods import KIND_LABEL, SIGNER_PORT
from shopkart_pipeline.adapters.kubernetes.pipeline_steps import api_egress, handover_ingress, modes
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.run_pods import SIGNING, UNTRUSTED
from shopkart_pipeline.domain.step_pods import StepPodsMode

COMPONENT = "app.kubernetes.io/component"
_PROXY = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "oauth2-proxy"}}}
_IDENTITY_AGENT: Manifest = {
    "to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}],
    "ports": [{"port": 80, "protocol": "TCP"}],
}
_NAME_SERVICE: Manifest = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
    "ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")],
}
_SIGNER: Manifest = {
    "to": [{"podSelector": {"matchLabels": {COMPONENT: "signer"}}}],
    "ports": [{"port": SIGNER_PORT, "protocol": "TCP"}],
}


def _one_of(label: str, *values: str) -> Manifest:
    return {"podSelector": {"matchExpressions": [{"key": label, "operator": "In", "values": sorted(values)}]}}


_REACHED_BY: dict[str, tuple[int, list[Manifest]]] = {
    "webserver": (3000, [_PROXY]),
    "auditors": (3003, [_PROXY]),
    "receiver": (3001, []),
    "exporter": (3002, [{"namespaceSelector": {}}]),
    "code-server": (4000, [_one_of(COMPONENT, "auditors", "daemon", "webserver")]),
    "signer": (
        SIGNER_PORT,
        [_one_of(KIND_LABEL, *(kind.label for kind in SIGNING)), _one_of(COMPONENT, "code-server")],
    ),
}


def pipeline_policies(namespace: str, pipeline: Pipeline) -> list[Manifest]:
    """All network policies of the pipeline's namespace."""
    shut: Manifest = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    found = [_policy(namespace, "shut", shut)]
    found.append(_policy(namespace, "daemon", _spec({COMPONENT: "daemon"}, [], egress_rules(None))))
    for name, (port, callers) in _REACHED_BY.items():
        come = [{**({"from": callers} if callers else {}), "ports": [{"port": port, "protocol": "TCP"}]}]
        found.append(_policy(namespace, name, _spec({COMPONENT: name}, come, egress_rules(None))))
    with_steps = modes(pipeline)
    for kind, pod in pipeline.run_pods.items():
        come = list[Manifest]()
        out = _run_egress(pod.egress, with_identity=kind is not UNTRUSTED, signs=kind in SIGNING)
        if with_steps[kind] is not StepPodsMode.NEVER:
            come, out = [handover_ingress(namespace)], [*out, *([] if pod.egress is None else [api_egress()])]
        found.append(_policy(namespace, f"runs-{kind.label}", _spec({KIND_LABEL: kind.label}, come, out)))
    return found


def _run_egress(destinations: tuple[str, ...] | None, *, with_identity: bool, signs: bool) -> list[Manifest]:
    """Beside the declared: DNS, where identities come from, and the signer. Nothing else of the own namespace is a
    run's business."""
    if destinations is None:
        return egress_rules(None)
    inside = len(egress_rules(()))
    own = [_NAME_SERVICE, *([_IDENTITY_AGENT] if with_identity else []), *([_SIGNER] if signs else [])]
    return [*own, *egress_rules(destinations)[inside:]]


def _policy(namespace: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"shopkart-{name}", "namespace": namespace},
        "spec": spec,
    }


def _spec(labels: dict[str, str], ingress: list[Manifest], egress: list[Manifest]) -> Manifest:
    return {
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }
