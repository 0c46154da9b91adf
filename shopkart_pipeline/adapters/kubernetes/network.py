"""Services and the network policy: who reaches the replicas, and whom they reach.

Behind a route with weights each track has a Service of its own, and callers inside the cluster, who don't come through
the route, reach stable alone. Without one a single Service leads to both as soon as the canary has a weight; what share
it gets follows from the numbers of replicas. A selector is widened and narrowed, never pointed somewhere else.

Requests may come to the one port that serves, from pods of any namespace (gateways and scrapers have their own) and
behind an ALB from its addresses in the VPC. A network policy knows addresses and no names, so a host opens its port to
every public address, and no further.

Source: Kubernetes, "Network Policies".
"""

from shopkart_pipeline.adapters.kubernetes.foreign import own_service
from shopkart_pipeline.adapters.kubernetes.names import (
    PORT_NAME,
    SERVICE_PORT,
    Manifest,
    Place,
    job_selector,
    metadata,
    selector,
)
from shopkart_pipeline.domain.pod import RouteKind
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

_ANYWHERE = "0.0.0.0/0"
_METADATA_SERVICE = "169.254.169.254/32"
_NOT_PUBLIC = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
_HTTPS = 443


def services(place: Place, spec: WorkloadSpec, canary_weight_percent: int = 0) -> tuple[Manifest, ...]:
    """The Services of a service.

    Args:
        place: where they are.
        spec: of either track.
        canary_weight_percent: without a route, whether the canary is to be reached at all, or alone.
    """
    if spec.route.kind is RouteKind.NONE:
        alone = {0: Track.STABLE, 100: Track.CANARY}.get(canary_weight_percent)
        return (_service(place, spec, place.service, selector(place, alone)),)
    return tuple(_service(place, spec, place.track_name(track), selector(place, track)) for track in Track)


def _service(place: Place, spec: WorkloadSpec, name: str, pods: dict[str, str]) -> Manifest:
    own = own_service(place, spec, name, pods)
    if own is not None:
        return own
    port = {"name": PORT_NAME, "port": SERVICE_PORT, "targetPort": PORT_NAME, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(place, name),
        "spec": {"type": "ClusterIP", "selector": pods, "ports": [port]},
    }


def network_policy(place: Place, spec: WorkloadSpec) -> Manifest | None:
    """What the replicas of both tracks may be reached by, and reach; None where a team's own manifests say it: policies
    add up, so a second one would open what theirs keeps shut."""
    if spec.own_manifests is not None:
        return None
    port = {"port": spec.pod.port, "protocol": "TCP"}
    anybody: Manifest = {} if spec.route.kind is RouteKind.ALB else {"from": [{"namespaceSelector": {}}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(place, place.service),
        "spec": {
            "podSelector": {"matchLabels": selector(place)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [anybody | {"ports": [port]}],
            "egress": egress_rules(spec.pod.egress),
        },
    }


def job_policy(place: Place, spec: WorkloadSpec) -> Manifest | None:
    """What a service's jobs may reach, which is what its replicas may; nobody reaches them. None as above."""
    if spec.own_manifests is not None:
        return None
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(place, f"{place.service}-jobs"),
        "spec": {
            "podSelector": {"matchLabels": job_selector(place)},
            "policyTypes": ["Ingress", "Egress"],
            "egress": egress_rules(spec.pod.egress),
        },
    }


def egress_rules(destinations: tuple[str, ...] | None) -> list[Manifest]:
    """Where pods may connect to: the declared destinations, DNS and their own namespace; None for everywhere but the
    metadata service."""
    if destinations is None:
        return [{"to": [{"namespaceSelector": {}}]}, {"to": [_addresses(_ANYWHERE, [_METADATA_SERVICE])]}]
    name_service = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    inside: list[Manifest] = [{"to": [{"namespaceSelector": {}}], "ports": name_service}, {"to": [{"podSelector": {}}]}]
    return inside + [_destination(each) for each in destinations]


def _destination(destination: str) -> Manifest:
    place, _, port = destination.partition(":")
    if "/" in place:
        ports = {"ports": [{"port": int(port), "protocol": "TCP"}]} if port else {}
        return {"to": [_addresses(place, [])], **ports}
    return {
        "to": [_addresses(_ANYWHERE, _NOT_PUBLIC)],
        "ports": [{"port": int(port or _HTTPS), "protocol": "TCP"}],
    }


def _addresses(network: str, excluded: list[str]) -> Manifest:
    return {"ipBlock": {"cidr": network} | ({"except": excluded} if excluded else {})}
