"""The cluster port on Kubernetes.

Objects are written by server-side apply as `shopkart` (see `api`), Deployments with the whole specification in an
annotation. Stable and canary are Deployments of their own, so a native rolling update, an autoscaler and a disruption
budget mean what they always do. A weight is never given to a canary that is not ready, and goes before the canary does.
With an autoscaler the number of stable's replicas stays its own: before the pipeline gives the field up, it hands the
live value over to a manager that holds nothing else, because a field that nobody owns any more falls back to one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shopkart_pipeline.adapters.kubernetes import leases
from shopkart_pipeline.adapters.kubernetes.api import (
    AUTOSCALER,
    BUDGET,
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    POD,
    REPLICA_SET,
    KubernetesApi,
)
from shopkart_pipeline.adapters.kubernetes.diagnosis import (
    LOG_LIMIT_BYTES,
    LOG_LINES,
    Diagnosis,
    Signs,
    diagnose,
)
from shopkart_pipeline.adapters.kubernetes.documents import name_of, part, parts, text
from shopkart_pipeline.adapters.kubernetes.manifests import track_objects
from shopkart_pipeline.adapters.kubernetes.names import FIELD_MANAGER, TRACK, Manifest, Place, metadata, selector
from shopkart_pipeline.adapters.kubernetes.network import network_policy
from shopkart_pipeline.adapters.kubernetes.observe import (
    SPEC,
    Look,
    applied_spec,
    dumped,
    is_ending,
    is_ready,
    pods_of,
    replica_set_of,
    spec_of,
    status_of,
    troubled,
    weight_by_endpoints,
)
from shopkart_pipeline.adapters.kubernetes.rollout_state import RolloutStates
from shopkart_pipeline.adapters.kubernetes.traffic_shift import TrafficShift, canary_replicas
from shopkart_pipeline.adapters.kubernetes.workload import autoscaler
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused, ToolUnavailable
from shopkart_pipeline.domain.pod import RouteKind
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec, WorkloadStatus
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.ports.registry import ImageRegistry

_REPLICAS_MANAGER = f"{FIELD_MANAGER}-replicas"
_SHRINK_SECONDS, _POLL_SECONDS = 8.0, 0.2


@dataclass(frozen=True)
class Surroundings:
    """Where an environment's services are, beyond what their declaration says."""

    namespace: str = "{environment}"
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """As in `names.Place`."""
    datastores_secret: str = "datastores"
    images: str | None = None
    """Where nodes pull images from, such as `registry.example/shop`; None: from the registry they were pushed to."""
    settle_seconds: float = 2.0
    """From a change of endpoints until every proxy goes by it."""


class KubernetesCluster(Cluster):
    """A cluster of machines.

    Args:
        api: the cluster's.
        registry: where the nodes get images from; None: they have them already.
        clock: the time.
        around: where services are.
    """

    name = "kubernetes"

    def __init__(
        self, api: KubernetesApi, registry: ImageRegistry | None, clock: Clock, around: Surroundings | None = None
    ) -> None:
        self._api, self._registry, self._clock = api, registry, clock
        self._around = around or Surroundings()
        self._states = RolloutStates(api)
        self._traffic = TrafficShift(api, clock, self._around.settle_seconds, self._look)

    def observe(self, environment: str, service: str) -> ServiceStatus:
        place = self._place(environment, service)
        look = self._look(place)
        if not look.deployments:
            return ServiceStatus(None, None, 0, _url(place, None))
        spec = next(spec_of(look.deployments[track]) for track in Track if track in look.deployments)
        asked = self._traffic.asked(place, spec.route.kind)
        counted = spec.route.kind is RouteKind.NONE
        return ServiceStatus(
            stable=self._status(place, look, Track.STABLE),
            canary=self._status(place, look, Track.CANARY),
            canary_weight_percent=weight_by_endpoints(look) if counted else asked,
            url=_url(place, spec),
            asked_weight_percent=asked if counted else None,
        )

    def apply(self, environment: str, service: str, track: Track, spec: WorkloadSpec) -> None:
        if self._registry is not None and not self._registry.has(service, spec.digest):
            raise NotFound(
                f"The registry {self._registry.name} does not hold {service}@{spec.digest}.", "Publish the image first."
            )
        place = self._place(environment, service, spec.digest)
        look = self._look(place)
        stable, live = look.deployments.get(Track.STABLE), look.deployments.get(track)
        _check_staying(live)
        asked = self._traffic.asked(place, spec.route.kind)
        if track is Track.STABLE or stable is None:
            for manifest in (network_policy(place, spec), *self._traffic.manifests(place, spec, asked)):
                self._api.apply(manifest)
        else:
            self._api.apply(network_policy(place, _reaching_both(applied_spec(stable), spec)))
        self._apply_track(place, track, spec, live)
        if track is Track.STABLE:
            self._autoscale(place, spec, asked)

    def scale(self, environment: str, service: str, track: Track, replicas: int) -> None:
        place = self._place(environment, service)
        live = self._look(place).deployments.get(track)
        if live is None or is_ending(live):
            raise NotFound(f"{service} has no {track.value} in {environment}.", "Deploy it first.")
        spec = applied_spec(live)
        if track is Track.STABLE and spec.autoscale is not None:
            raise Refused(
                f"The number of replicas of {service} in {environment} is its autoscaler's.", "Change its bounds."
            )
        self._scale(place, track, live, replicas)

    def remove(self, environment: str, service: str, track: Track) -> None:
        place = self._place(environment, service)
        look = self._look(place)
        live = look.deployments.get(track)
        if live is None or is_ending(live):
            return
        if track is Track.CANARY and self._traffic.asked(place, spec_of(live).route.kind) > 0:
            self.set_weight(environment, service, 0)
        if track is Track.STABLE:
            self._api.delete(AUTOSCALER, place.namespace, place.service)
        name = place.track_name(track)
        self._api.delete(BUDGET, place.namespace, name)
        self._api.delete(DEPLOYMENT, place.namespace, name, whole=True)
        self._prune(place, look)

    def set_weight(self, environment: str, service: str, canary_percent: int) -> None:
        if not 0 <= canary_percent <= 100:
            raise Refused(f"{canary_percent} % is no share of the traffic.", "Give 0 to 100.")
        place = self._place(environment, service)
        look = self._look(place)
        canary, stable = look.deployments.get(Track.CANARY), look.deployments.get(Track.STABLE)
        if canary_percent > 0:
            _check_canary(place, look)
        shown = stable or canary
        if shown is None:
            return
        spec = applied_spec(shown)
        if stable is not None:
            self._autoscale(place, spec, canary_percent)
        if canary_percent > 0 and canary is not None and stable is not None:
            self._fit(place, look, canary, stable, canary_percent)
        self._traffic.shift(place, spec, canary_percent)

    def load_rollout(self, environment: str, service: str) -> str | None:
        place = self._place(environment, service)
        return self._states.load(place.namespace, _record_name(place))

    def save_rollout(self, environment: str, service: str, document: str) -> None:
        place = self._place(environment, service)
        self._states.save(place.namespace, metadata(place, _record_name(place)), document)

    def acquire_lease(self, environment: str, service: str, holder: str, ttl_seconds: float, now: datetime) -> bool:
        place = self._place(environment, service)
        described = metadata(place, _record_name(place))
        return leases.acquire(self._api, place.namespace, described, holder, ttl_seconds, now)

    def release_lease(self, environment: str, service: str, holder: str) -> None:
        place = self._place(environment, service)
        leases.release(self._api, place.namespace, _record_name(place), holder)

    def _place(self, environment: str, service: str, digest: str = "") -> Place:
        around = self._around
        namespace = around.namespace.replace("{environment}", environment)
        if around.images is not None:
            image = f"{around.images.rstrip('/')}/{service}@{digest}"
        else:
            image = self._registry.reference(service, digest) if self._registry else f"{service}@{digest}"
        return Place(namespace, environment, service, image, around.addresses, around.datastores_secret)

    def _look(self, place: Place) -> Look:
        labels = ",".join(f"{name}={value}" for name, value in selector(place).items())
        namespace = place.namespace
        deployments = {
            Track(each["metadata"]["labels"][TRACK]): each
            for each in self._api.list(DEPLOYMENT, namespace, f"{labels},{TRACK}")
        }
        if not deployments:
            return Look()
        return Look(
            deployments,
            self._api.list(REPLICA_SET, namespace, labels),
            self._api.list(POD, namespace, labels),
            self._api.list(ENDPOINT_SLICE, namespace, f"kubernetes.io/service-name={place.service}"),
        )

    def _status(self, place: Place, look: Look, track: Track) -> WorkloadStatus | None:
        deployment = look.deployments.get(track)
        if deployment is None:
            return None
        if is_ending(deployment):
            return status_of(look, track, Diagnosis())
        deadline = applied_spec(deployment).probes.startup_deadline_seconds
        signs = Signs(
            deployment,
            replica_set_of(look, track),
            troubled(look, track),
            deadline,
            self._clock.now(),
            lambda pod: self._events(place, pod),
            lambda pod: self._log(place, pod),
        )
        return status_of(look, track, diagnose(signs))

    def _events(self, place: Place, pod: str) -> list[Manifest]:
        try:
            return self._api.list(EVENT, place.namespace, fields=f"involvedObject.name={pod}")
        except PipelineError:
            return []  # They only make words better.

    def _log(self, place: Place, pod: str) -> str:
        for previous in (True, False):
            try:
                log = self._api.log(place.namespace, pod, LOG_LINES, LOG_LIMIT_BYTES, previous=previous)
            except PipelineError:
                continue
            if log.strip():
                return log
        return ""

    def _apply_track(self, place: Place, track: Track, spec: WorkloadSpec, live: Manifest | None) -> None:
        for manifest in track_objects(place, track, spec):
            if manifest["kind"] == DEPLOYMENT.kind:
                manifest["metadata"]["annotations"][SPEC] = dumped(spec)
                if "replicas" not in manifest["spec"]:
                    self._leave_replicas(place, manifest, spec, live)
            self._api.apply(manifest)

    def _leave_replicas(self, place: Place, manifest: Manifest, spec: WorkloadSpec, live: Manifest | None) -> None:
        """The autoscaler's number of replicas: where it begins, and whose it is from then on."""
        if live is None:
            manifest["spec"]["replicas"] = spec.replicas
        elif _owns_replicas(live):
            described = {"name": manifest["metadata"]["name"], "namespace": place.namespace}
            only = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "metadata": described}
            self._api.apply({**only, "spec": {"replicas": live["spec"]["replicas"]}}, _REPLICAS_MANAGER)

    def _autoscale(self, place: Place, spec: WorkloadSpec, canary_percent: int) -> None:
        wanted = autoscaler(place, spec, only_up=canary_percent > 0)
        if wanted is not None:
            self._api.apply(wanted)
        elif self._api.get(AUTOSCALER, place.namespace, place.service) is not None:
            self._api.delete(AUTOSCALER, place.namespace, place.service)

    def _scale(self, place: Place, track: Track, live: Manifest, replicas: int) -> None:
        spec = replace(applied_spec(live), replicas=replicas)
        self._apply_track(self._place(place.environment, place.service, spec.digest), track, spec, live)

    def _fit(self, place: Place, look: Look, canary: Manifest, stable: Manifest, percent: int) -> None:
        """Give the canary the replicas that its share takes, before it gets the share."""
        there, of_stable = int(canary["spec"]["replicas"]), int(stable["spec"]["replicas"])
        counted = applied_spec(stable).route.kind is RouteKind.NONE
        wanted = canary_replicas(of_stable, percent) if counted else max(there, -(-of_stable * percent // 100))
        if wanted != there:
            self._scale(place, Track.CANARY, canary, wanted)
        if wanted < there and weight_by_endpoints(look) == 0:
            self._wait_for_fewer(place, wanted)
        if wanted > there and not counted:
            raise ToolUnavailable(
                f"The canary of {place.service} gets {wanted} replicas for {percent} % first.", "Wait for them."
            )

    def _wait_for_fewer(self, place: Place, replicas: int) -> None:
        """More than was asked for must not get requests, not even for a moment."""
        deadline = self._clock.now() + timedelta(seconds=_SHRINK_SECONDS)
        while True:
            pods = pods_of(self._look(place), Track.CANARY)
            if sum(not is_ending(pod) for pod in pods) <= replicas:
                return
            if self._clock.now() > deadline:
                raise ToolUnavailable(f"The canary of {place.service} does not get smaller.", "Wait for it.")
            self._clock.sleep(_POLL_SECONDS)

    def _prune(self, place: Place, look: Look) -> None:
        """Remove configuration that no ReplicaSet, not even one that is kept for a rollback, refers to any more."""
        used = {
            text(source, "configMapRef", "name")
            for owner in (*look.replica_sets, *look.deployments.values())
            for container in parts(owner, "spec", "template", "spec", "containers")
            for source in parts(container, "envFrom")
            if "configMapRef" in source
        }
        labels = ",".join(f"{name}={value}" for name, value in selector(place).items())
        for each in self._api.list(CONFIG_MAP, place.namespace, labels):
            name = name_of(each)
            if name.startswith(f"{place.service}-config-") and each.get("immutable") and name not in used:
                self._api.delete(CONFIG_MAP, place.namespace, name)


def _record_name(place: Place) -> str:
    """Name of the lease and of the rollout's document; with the environment in it, as a namespace may have several."""
    return f"{place.service}.{place.environment}.rollout"


def _url(place: Place, spec: WorkloadSpec | None) -> str:
    if spec is not None and spec.route.host:
        return f"https://{spec.route.host}"
    return f"http://{place.service}.{place.namespace}.svc"


def _check_staying(live: Manifest | None) -> None:
    if live is not None and is_ending(live):
        raise ToolUnavailable(f"{name_of(live)} is still being removed.", "Wait until it is gone.")


def _check_canary(place: Place, look: Look) -> None:
    if not any(is_ready(pod) and not is_ending(pod) for pod in pods_of(look, Track.CANARY)):
        raise Refused(
            f"The canary of {place.service} in {place.environment} has no ready replica.", "Wait until it is ready."
        )


def _reaching_both(stable: WorkloadSpec, canary: WorkloadSpec) -> WorkloadSpec:
    """The canary's specification, with what stable may reach as well: one policy holds for both."""
    theirs, ours = stable.pod.egress, canary.pod.egress
    egress = None if theirs is None or ours is None else tuple(dict.fromkeys((*theirs, *ours)))
    return replace(canary, pod=replace(canary.pod, egress=egress))


def _owns_replicas(deployment: Manifest) -> bool:
    """Whether the number of replicas is among the fields that the pipeline applies."""
    return any(
        each.get("manager") == FIELD_MANAGER
        and each.get("operation") == "Apply"
        and "f:replicas" in part(each, "fieldsV1", "f:spec")
        for each in parts(deployment, "metadata", "managedFields")
    )
