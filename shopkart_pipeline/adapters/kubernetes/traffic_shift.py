"""How requests are shared out between stable and canary, and when that has come true.

Behind a route the weights are the route's own: they hold once its gateway has accepted that generation. Without one,
the Service leads to the ready replicas of both tracks, and the number of canary replicas makes the share: stable stays
at full scale, the canary gets as many replicas as come nearest to the share from below (one at least, and never more
than stable has), so 50 % is the most until 100 % takes stable out of the Service. Between stable alone and the canary
alone the Service leads to both for a moment, so that there are endpoints at all times. What the share really is, is
counted, not assumed (`observe.weight_by_endpoints`).

EndpointSlices are written at once and routed by a moment later, which nothing tells; a settling time stands for it.
It is all there is behind an ALB, whose Ingress says nothing about weights that have come true.

Sources: Kubernetes, "EndpointSlices"; Gateway API, "HTTPRoute status".
"""

import json
from collections.abc import Callable
from datetime import timedelta

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.documents import name_of, number, parts, text
from shopkart_pipeline.adapters.kubernetes.exposure import route
from shopkart_pipeline.adapters.kubernetes.kinds import HTTP_ROUTE, INGRESS, SERVICE
from shopkart_pipeline.adapters.kubernetes.names import Manifest, Place
from shopkart_pipeline.adapters.kubernetes.network import services
from shopkart_pipeline.adapters.kubernetes.observe import Look, is_ending, is_ready, pods_of, ready_endpoints
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.pod import RouteKind
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline.ports.clock import Clock

WEIGHT = "shopkart/canary-weight"
"""The annotation of a Service that keeps the share that was asked for."""
_POLL_SECONDS = 0.2
_BOTH = 50
_ALB_ACTIONS = "alb.ingress.kubernetes.io/actions."


def canary_replicas(stable_replicas: int, percent: int) -> int:
    """How many canary replicas make a share of the requests beside stable at full scale."""
    if percent >= 100:
        return max(1, stable_replicas)
    return max(1, min(stable_replicas, stable_replicas * percent // (100 - percent)))


class TrafficShift:
    """The routes of services in one cluster.

    Args:
        api: the cluster's.
        clock: measures waiting.
        route_seconds: how long a route may take to follow.
        settle_seconds: from an EndpointSlice's or a route's change until every proxy goes by it.
        look: looks at a service anew.
    """

    def __init__(
        self,
        api: KubernetesApi,
        clock: Clock,
        route_seconds: float,
        settle_seconds: float,
        look: Callable[[Place], Look],
    ) -> None:
        self._api, self._clock, self._look = api, clock, look
        self._route_seconds, self._settle_seconds = route_seconds, settle_seconds

    def manifests(self, place: Place, spec: WorkloadSpec, percent: int) -> tuple[Manifest, ...]:
        """Services and route for a share."""
        made = services(place, spec, percent)
        if spec.route.kind is RouteKind.NONE:
            for service in made:
                service["metadata"].setdefault("annotations", {})[WEIGHT] = str(percent)
        routed = route(place, spec, percent)
        return made if routed is None else (*made, routed)

    def asked(self, place: Place, kind: RouteKind) -> int:
        """The share that was asked for last, in percent."""
        match kind:
            case RouteKind.NONE:
                service = self._api.get(SERVICE, place.namespace, place.service)
                return number(service, "metadata", "annotations", WEIGHT)
            case RouteKind.GATEWAY:
                return _weight_of_route(place, self._api.get(HTTP_ROUTE, place.namespace, place.service))
            case RouteKind.ALB:
                return _weight_of_ingress(place, self._api.get(INGRESS, place.namespace, place.service))

    def shift(self, place: Place, spec: WorkloadSpec, percent: int) -> None:
        """Give the canary this share, and return when requests go by it.

        Raises:
            ToolUnavailable: it did not come true in time; a higher share than before was taken back.
        """
        before = self.asked(place, spec.route.kind)
        if spec.route.kind is RouteKind.NONE and {before, percent} == {0, 100}:
            self._write(place, spec, _BOTH)
            self._wait(place, spec, _BOTH)
        self._write(place, spec, percent)
        if self._wait(place, spec, percent):
            return
        if percent > before:
            self._write(place, spec, before)
        raise ToolUnavailable(
            f"The route of {place.service} in {place.environment} did not take {percent} % for the canary in time.",
            "Look at the status of its route and its EndpointSlices.",
        )

    def _write(self, place: Place, spec: WorkloadSpec, percent: int) -> None:
        for manifest in self.manifests(place, spec, percent):
            self._api.apply(manifest)

    def _wait(self, place: Place, spec: WorkloadSpec, percent: int) -> bool:
        deadline = self._clock.now() + timedelta(seconds=self._route_seconds)
        while not self._is_true(place, spec, percent):
            if self._clock.now() > deadline:
                return False
            self._clock.sleep(_POLL_SECONDS)
        self._clock.sleep(self._settle_seconds)
        return True

    def _is_true(self, place: Place, spec: WorkloadSpec, percent: int) -> bool:
        match spec.route.kind:
            case RouteKind.NONE:
                return _leads(self._look(place), percent)
            case RouteKind.GATEWAY:
                return _is_accepted(self._api.get(HTTP_ROUTE, place.namespace, place.service))
            case RouteKind.ALB:
                return True


def _leads(look: Look, percent: int) -> bool:
    """Whether the Service leads to every ready replica that it should lead to, and to no other track."""
    reached = ready_endpoints(look.slices)
    alone = {0: Track.STABLE, 100: Track.CANARY}.get(percent)
    for track in Track:
        pods = pods_of(look, track)
        serving = {name_of(pod) for pod in pods if is_ready(pod) and not is_ending(pod)}
        if alone in (None, track):
            if not serving <= reached:
                return False
        elif reached & {name_of(pod) for pod in pods}:
            return False
    return True


def _is_accepted(http_route: Manifest | None) -> bool:
    """Whether every gateway of a route goes by its newest generation."""
    generation = number(http_route, "metadata", "generation")
    conditions = [each for parent in parts(http_route, "status", "parents") for each in parts(parent, "conditions")]
    return bool(conditions) and all(
        each.get("status") == "True" and number(each, "observedGeneration") >= generation
        for each in conditions
        if each.get("type") in ("Accepted", "ResolvedRefs")
    )


def _weight_of_route(place: Place, http_route: Manifest | None) -> int:
    backends = [each for rule in parts(http_route, "spec", "rules")[:1] for each in parts(rule, "backendRefs")]
    return _share(place, {text(each, "name"): number(each, "weight") for each in backends})


def _weight_of_ingress(place: Place, ingress: Manifest | None) -> int:
    action: Manifest = json.loads(text(ingress, "metadata", "annotations", f"{_ALB_ACTIONS}{place.service}") or "{}")
    groups = parts(action, "forwardConfig", "targetGroups")
    return _share(place, {text(each, "serviceName"): number(each, "weight") for each in groups})


def _share(place: Place, weights: dict[str, int]) -> int:
    whole = sum(weights.values())
    return round(100 * weights.get(place.track_name(Track.CANARY), 0) / whole) if whole else 0
