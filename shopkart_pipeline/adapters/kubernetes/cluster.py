"""The cluster port on Kubernetes.

Objects are written by server-side apply as `shopkart` (see `api`), Deployments with the whole specification in an
annotation. Stable and canary are Deployments of their own, so a native rolling update, an autoscaler and a disruption
budget mean what they always do. A weight is never given to a canary that is not ready, and goes before the canary does.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from shopkart_pipeline.adapters.kubernetes import leases
from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.connection import Access, Connection
from shopkart_pipeline.adapters.kubernetes.documents import name_of, number
from shopkart_pipeline.adapters.kubernetes.jobs import Jobs
from shopkart_pipeline.adapters.kubernetes.kinds import AUTOSCALER, BUDGET, DEPLOYMENT
from shopkart_pipeline.adapters.kubernetes.looking import Lookout
from shopkart_pipeline.adapters.kubernetes.manifests import track_objects
from shopkart_pipeline.adapters.kubernetes.names import Manifest, Place, Surroundings, metadata
from shopkart_pipeline.adapters.kubernetes.network import network_policy
from shopkart_pipeline.adapters.kubernetes.observe import (
    SPEC,
    Look,
    applied_spec,
    dumped,
    is_ending,
    is_ready,
    pods_of,
    spec_of,
    weight_by_endpoints,
)
from shopkart_pipeline.adapters.kubernetes.pruning import prune
from shopkart_pipeline.adapters.kubernetes.replica_count import leave_to_autoscaler
from shopkart_pipeline.adapters.kubernetes.rollout_state import RolloutStates
from shopkart_pipeline.adapters.kubernetes.traffic_shift import TrafficShift, canary_replicas
from shopkart_pipeline.adapters.kubernetes.workload import autoscaler
from shopkart_pipeline.domain.errors import NotFound, Refused, ToolUnavailable
from shopkart_pipeline.domain.job import JobSpec, JobStatus
from shopkart_pipeline.domain.pod import RouteKind
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.ports.registry import ImageRegistry

_POLL_SECONDS = 0.2


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
        self._lookout, self._jobs = Lookout(api, clock), Jobs(api, clock)
        self._traffic = TrafficShift(
            api, clock, self._around.route_seconds, self._around.settle_seconds, self._lookout.look
        )

    @classmethod
    def of(cls, options: Mapping[str, str], registry: ImageRegistry | None, clock: Clock) -> "KubernetesCluster":
        """The cluster that the options of an environment name (see `connection` and `Surroundings.of`); nothing is
        asked yet.

        Raises:
            PipelineError: the options can't be used.
        """
        api = KubernetesApi(Connection(Access.of(options), clock), clock)
        return cls(api, registry, clock, Surroundings.of(options))

    def observe(self, environment: str, service: str) -> ServiceStatus:
        place = self._place(environment, service)
        look = self._lookout.look(place)
        if not look.deployments:
            return ServiceStatus(None, None, 0, _url(place, None))
        spec = next(spec_of(look.deployments[track]) for track in Track if track in look.deployments)
        asked = self._traffic.asked(place, spec.route.kind)
        counted = spec.route.kind is RouteKind.NONE
        return ServiceStatus(
            stable=self._lookout.status(place, look, Track.STABLE),
            canary=self._lookout.status(place, look, Track.CANARY),
            canary_weight_percent=weight_by_endpoints(look) if counted else asked,
            url=_url(place, spec),
            asked_weight_percent=asked if counted else None,
        )

    def apply(self, environment: str, service: str, track: Track, spec: WorkloadSpec) -> None:
        self._check_image(service, spec)
        place = self._place(environment, service, spec)
        look = self._lookout.look(place)
        stable, live = look.deployments.get(Track.STABLE), look.deployments.get(track)
        _check_staying(live)
        asked = self._traffic.asked(place, spec.route.kind)
        if track is Track.STABLE or stable is None:
            policy = network_policy(place, spec)
            for manifest in self._traffic.manifests(place, spec, asked):
                self._api.apply(manifest)
        else:
            policy = network_policy(place, _reaching_both(applied_spec(stable), spec))
        if policy is not None:
            self._api.apply(policy)
        self._apply_track(place, track, spec, live)
        if track is Track.STABLE:
            self._autoscale(place, spec, asked)

    def scale(self, environment: str, service: str, track: Track, replicas: int) -> None:
        place = self._place(environment, service)
        live = self._lookout.look(place).deployments.get(track)
        if live is None or is_ending(live):
            raise NotFound(f"{service} has no {track.value} in {environment}.", "Deploy it first.")
        spec = applied_spec(live)
        if track is Track.STABLE and spec.autoscale is not None:
            raise Refused(
                f"The number of replicas of {service} in {environment} is its autoscaler's.", "Change its bounds."
            )
        self._scale(place, track, live, replicas)

    def rescale(self, environment: str, service: str, scale: Scale) -> None:
        place = self._place(environment, service)
        live = self._lookout.look(place).deployments.get(Track.STABLE)
        if live is None or is_ending(live):
            raise NotFound(f"{service} has no stable in {environment}.", "Deploy it first.")
        spec = replace(applied_spec(live), replicas=scale.replicas, autoscale=scale.autoscale)
        if scale.autoscale is not None:
            # Before the note of it: whoever is killed between the two finds that it is still to be done.
            self._autoscale(place, spec, self._traffic.asked(place, spec.route.kind))
        self._apply_track(self._place(environment, service, spec), Track.STABLE, spec, live)

    def bounds(self, environment: str, service: str) -> tuple[int, int] | None:
        place = self._place(environment, service)
        found = self._api.get(AUTOSCALER, place.namespace, place.service)
        if found is None:
            return None
        return number(found, "spec", "minReplicas") or 1, number(found, "spec", "maxReplicas")

    def remove(self, environment: str, service: str, track: Track) -> None:
        place = self._place(environment, service)
        look = self._lookout.look(place)
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
        prune(self._api, place, look)

    def set_weight(self, environment: str, service: str, canary_percent: int) -> None:
        if not 0 <= canary_percent <= 100:
            raise Refused(f"{canary_percent} % is no share of the traffic.", "Give 0 to 100.")
        place = self._place(environment, service)
        look = self._lookout.look(place)
        canary, stable = look.deployments.get(Track.CANARY), look.deployments.get(Track.STABLE)
        if canary_percent > 0:
            _check_canary(place, look)
        shown = stable or canary
        if shown is None:
            return
        spec = applied_spec(shown)
        if canary_percent > 0 and canary is not None and stable is not None:
            self._autoscale(place, spec, canary_percent)
            self._fit(place, look, canary, stable, canary_percent)
        self._traffic.shift(place, spec, canary_percent)
        if canary_percent == 0 and stable is not None:
            # Nothing may come before traffic that goes back.
            self._autoscale(place, spec, canary_percent)

    def run_job(self, environment: str, service: str, job: JobSpec) -> JobStatus:
        place = self._place(environment, service, job.workload)
        status = self._jobs.status(place, job)
        if status is None:
            self._check_image(service, job.workload)
            status = self._jobs.begin(place, job)
        return status

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

    def _check_image(self, service: str, spec: WorkloadSpec) -> None:
        repository = spec.repository or service
        if self._registry is not None and not self._registry.has(repository, spec.digest):
            raise NotFound(
                f"The registry {self._registry.name} does not hold {repository}@{spec.digest}.",
                "Publish the image first.",
            )

    def _place(self, environment: str, service: str, spec: WorkloadSpec | None = None) -> Place:
        digest, repository = (spec.digest, spec.repository or service) if spec else ("", service)
        image = self._registry.reference(repository, digest) if self._registry else f"{repository}@{digest}"
        return self._around.place(environment, service, image, repository)

    def _apply_track(self, place: Place, track: Track, spec: WorkloadSpec, live: Manifest | None) -> None:
        for manifest in track_objects(place, track, spec):
            if manifest["kind"] == DEPLOYMENT.kind and name_of(manifest) == place.track_name(track):
                manifest["metadata"]["annotations"][SPEC] = dumped(spec)
                if "replicas" not in manifest["spec"]:
                    leave_to_autoscaler(self._api, manifest, spec.replicas, live)
            self._api.apply(manifest)

    def _autoscale(self, place: Place, spec: WorkloadSpec, canary_percent: int) -> None:
        wanted = autoscaler(place, spec, only_up=canary_percent > 0)
        if wanted is not None:
            self._api.apply(wanted)
        elif self._api.get(AUTOSCALER, place.namespace, place.service) is not None:
            self._api.delete(AUTOSCALER, place.namespace, place.service)

    def _scale(self, place: Place, track: Track, live: Manifest, replicas: int) -> None:
        spec = replace(applied_spec(live), replicas=replicas)
        self._apply_track(self._place(place.environment, place.service, spec), track, spec, live)

    def _fit(self, place: Place, look: Look, canary: Manifest, stable: Manifest, percent: int) -> None:
        """Give the canary the replicas that its share takes, before it gets the share."""
        there, of_stable = int(canary["spec"]["replicas"]), int(stable["spec"]["replicas"])
        counted = applied_spec(stable).route.kind is RouteKind.NONE
        wanted = canary_replicas(of_stable, percent) if counted else max(there, -(-of_stable * percent // 100))
        if wanted != there:
            self._scale(place, Track.CANARY, canary, wanted)
        if _ready_pods(look, Track.CANARY) < wanted:
            raise ToolUnavailable(
                f"The canary of {place.service} gets {wanted} replicas for {percent} % first.", "Wait for them."
            )
        if wanted < there and weight_by_endpoints(look) == 0:
            self._wait_for_fewer(place, wanted)

    def _wait_for_fewer(self, place: Place, replicas: int) -> None:
        """More than was asked for must not get requests, not even for a moment."""
        deadline = self._clock.now() + timedelta(seconds=self._around.route_seconds)
        while True:
            pods = pods_of(self._lookout.look(place), Track.CANARY)
            if sum(not is_ending(pod) for pod in pods) <= replicas:
                return
            if self._clock.now() > deadline:
                raise ToolUnavailable(f"The canary of {place.service} does not get smaller.", "Wait for it.")
            self._clock.sleep(_POLL_SECONDS)


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
    if not _ready_pods(look, Track.CANARY):
        raise Refused(
            f"The canary of {place.service} in {place.environment} has no ready replica.", "Wait until it is ready."
        )


def _ready_pods(look: Look, track: Track) -> int:
    return sum(is_ready(pod) and not is_ending(pod) for pod in pods_of(look, track))


def _reaching_both(stable: WorkloadSpec, canary: WorkloadSpec) -> WorkloadSpec:
    """The canary's specification, with what stable may reach as well: one policy holds for both."""
    theirs, ours = stable.pod.egress, canary.pod.egress
    egress = None if theirs is None or ours is None else tuple(dict.fromkeys((*theirs, *ours)))
    return replace(canary, pod=replace(canary.pod, egress=egress))
