"""The route with weights: an HTTPRoute of the Gateway API, or an Ingress of the AWS load balancer controller.

Both name the Services of both tracks at all times and change nothing but weights. On an ALB the targets are pods; one
that was told to end is deregistered, and the balancer goes on for as long as its delay says, so that delay ends before
`preStop` does. The namespace has to carry the label `elbv2.k8s.aws/pod-readiness-gate-inject: enabled`, which makes a
new pod wait until the balancer knows it; scheme and certificates are those of the ingress class.

Sources: Gateway API, "HTTP traffic splitting"; AWS Load Balancer Controller, "Ingress annotations".
"""

import json
import math

from shopkart_pipeline.adapters.kubernetes.names import SERVICE_PORT, Manifest, Place, metadata
from shopkart_pipeline.domain.pod import RouteKind
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

_ALB = "alb.ingress.kubernetes.io"
_DEREGISTRATION_MARGIN_SECONDS = 5


def route(place: Place, spec: WorkloadSpec, canary_weight_percent: int = 0) -> Manifest | None:
    """What shares requests out by weight; None where nothing does."""
    match spec.route.kind:
        case RouteKind.GATEWAY:
            return _http_route(place, spec, canary_weight_percent)
        case RouteKind.ALB:
            return _ingress(place, spec, canary_weight_percent)
        case RouteKind.NONE:
            return None


def _shares(place: Place, canary_weight_percent: int) -> list[tuple[str, int]]:
    weights = {Track.STABLE: 100 - canary_weight_percent, Track.CANARY: canary_weight_percent}
    return [(place.track_name(track), weights[track]) for track in Track]


def _http_route(place: Place, spec: WorkloadSpec, canary_weight_percent: int) -> Manifest:
    namespace, _, name = (spec.route.gateway or "").rpartition("/")
    backends = [
        {"name": service, "port": SERVICE_PORT, "weight": weight}
        for service, weight in _shares(place, canary_weight_percent)
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(place, place.service),
        "spec": {
            "parentRefs": [{"name": name} | ({"namespace": namespace} if namespace else {})],
            **({"hostnames": [spec.route.host]} if spec.route.host else {}),
            "rules": [{"backendRefs": backends}],
        },
    }


def _ingress(place: Place, spec: WorkloadSpec, canary_weight_percent: int) -> Manifest:
    groups = [
        {"serviceName": service, "servicePort": SERVICE_PORT, "weight": weight}
        for service, weight in _shares(place, canary_weight_percent)
    ]
    action = {"type": "forward", "forwardConfig": {"targetGroups": groups}}
    delay_seconds = max(0, math.floor(spec.pod.pre_stop_seconds) - _DEREGISTRATION_MARGIN_SECONDS)
    described = metadata(place, place.service)
    described["annotations"] = {
        f"{_ALB}/actions.{place.service}": json.dumps(action, separators=(",", ":")),
        f"{_ALB}/healthcheck-path": spec.probes.readiness_path,
        f"{_ALB}/target-group-attributes": f"deregistration_delay.timeout_seconds={delay_seconds}",
        f"{_ALB}/target-type": "ip",
    }
    backend = {"service": {"name": place.service, "port": {"name": "use-annotation"}}}
    rule: Manifest = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": described,
        "spec": {
            "ingressClassName": "alb",
            "rules": [({"host": spec.route.host} if spec.route.host else {}) | rule],
        },
    }
