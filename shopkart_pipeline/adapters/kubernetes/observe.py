"""What a cluster's documents say about a service; nothing here asks the cluster.

The version that is wanted is the ReplicaSet of the Deployment's own revision, and only once the Deployment's controller
has seen the newest generation: before that nothing counts as updated. A replica counts as updated when it has been
ready for `minReadySeconds`. Replicas of older versions count for as long as their pods exist, also while they end;
replicas of the wanted version that end (scaled down, drained away) don't. What somebody changed by hand shows: number
of replicas and image are the live ones, everything else is what was applied, and what others set in it is named.

The canary's weight is that of the route: what its backends say, or without one its share of the ready endpoints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.adapters.kubernetes.by_hand import changed_by_hand
from shopkart_pipeline.adapters.kubernetes.diagnosis import Diagnosis, moment
from shopkart_pipeline.adapters.kubernetes.documents import condition, name_of, number, part, parts, text
from shopkart_pipeline.adapters.kubernetes.names import TRACK, Manifest
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.workload import Track, WorkloadSpec, WorkloadStatus

SPEC = "shopkart/spec"
"""The annotation that keeps what was applied."""
_REVISION = "deployment.kubernetes.io/revision"
_LOST_SECONDS = 60
"""After the end of its grace period; the kubelet takes a second or two."""
_SPECS = TypeAdapter(WorkloadSpec)


@dataclass(frozen=True)
class Look:
    """What was found in one look at a service."""

    deployments: Mapping[Track, Manifest] = field(default_factory=dict[Track, Manifest])
    replica_sets: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    slices: Sequence[Manifest] = ()
    """EndpointSlices of the service that both tracks are behind."""


def dumped(spec: WorkloadSpec) -> str:
    """A specification as an annotation keeps it."""
    return _SPECS.dump_json(spec).decode()


def applied_spec(deployment: Manifest) -> WorkloadSpec:
    """What was applied.

    Raises:
        Refused: it was not applied by us.
    """
    described = deployment["metadata"]
    try:
        return _SPECS.validate_json(part(described, "annotations")[SPEC])
    except (KeyError, ValidationError):
        raise Refused(
            f"The Deployment {described['name']} in {described.get('namespace', '')} is not the pipeline's own.",
            "Remove or rename it, or deploy to another namespace.",
        ) from None


def spec_of(deployment: Manifest) -> WorkloadSpec:
    """What a Deployment is to be: what was applied, with what somebody changed by hand. Raises as `applied_spec`."""
    spec = deployment["spec"]
    image = str(spec["template"]["spec"]["containers"][0]["image"])
    name, _, digest = image.partition("@")
    return replace(applied_spec(deployment), replicas=int(spec.get("replicas", 1)), digest=digest or name)


def status_of(look: Look, track: Track, diagnosis: Diagnosis) -> WorkloadStatus | None:
    """What is there of a track."""
    deployment = look.deployments.get(track)
    if deployment is None:
        return None
    pods, wanted = pods_of(look, track), replica_set_of(look, track)
    new = [pod for pod in pods if wanted is not None and is_of(pod, wanted)]
    staying = [pod for pod in new if not is_ending(pod)]
    old = [pod for pod in pods if pod not in new]
    spec = spec_of(deployment)
    if is_ending(deployment):
        # It is there, and never complete, until nothing of it is left: what is applied now would go with it.
        staying, old = [], list(pods)
    available = number(wanted, "status", "availableReplicas")
    return WorkloadStatus(
        spec=spec,
        ready=sum(is_ready(pod) and not is_ending(pod) for pod in pods),
        updated_ready=min(available, sum(map(is_ready, staying))),
        total=len(staying) + len(old),
        restarts=sum(map(restarts_of, staying)),
        failure=diagnosis.failure,
        hindrance=diagnosis.hindrance,
        by_hand=changed_by_hand(deployment),
    )


def replica_set_of(look: Look, track: Track) -> Manifest | None:
    """The ReplicaSet of the wanted version; None until the Deployment's controller has seen what is wanted."""
    deployment = look.deployments.get(track)
    if deployment is None:
        return None
    if number(deployment, "status", "observedGeneration") < number(deployment, "metadata", "generation"):
        return None
    revision = text(deployment, "metadata", "annotations", _REVISION)
    for each in look.replica_sets:
        if _owned_by(each, deployment) and text(each, "metadata", "annotations", _REVISION) == revision:
            return each
    return None


def pods_of(look: Look, track: Track) -> list[Manifest]:
    """The pods of a track that have not ended."""
    return [
        pod
        for pod in look.pods
        if text(pod, "metadata", "labels", TRACK) == track.value
        and text(pod, "status", "phase") not in ("Failed", "Succeeded")
    ]


def troubled(look: Look, track: Track) -> list[Manifest]:
    """The pods of the wanted version that should be ready and aren't."""
    wanted = replica_set_of(look, track)
    return [
        pod
        for pod in pods_of(look, track)
        if wanted is not None and is_of(pod, wanted) and not is_ready(pod) and not is_ending(pod)
    ]


def weight_by_endpoints(look: Look) -> int:
    """The canary's share of the ready endpoints in percent: never 0 while it has some, never 100 while stable has."""
    counts = dict.fromkeys(Track, 0)
    tracks = {name_of(pod): text(pod, "metadata", "labels", TRACK) for pod in look.pods}
    for endpoint in ready_endpoints(look.slices):
        track = tracks.get(endpoint)
        if track:
            counts[Track(track)] += 1
    canary, stable = counts[Track.CANARY], counts[Track.STABLE]
    if not canary:
        return 0
    return 100 if not stable else min(99, max(1, round(100 * canary / (canary + stable))))


def ready_endpoints(slices: Sequence[Manifest]) -> set[str]:
    """Names of the pods that requests go to."""
    return {
        text(endpoint, "targetRef", "name")
        for each in slices
        for endpoint in parts(each, "endpoints")
        if "targetRef" in endpoint and part(endpoint, "conditions").get("ready") is not False
    }


def is_of(pod: Manifest, replica_set: Manifest) -> bool:
    """Whether a ReplicaSet made the pod."""
    return _owned_by(pod, replica_set)


def is_ready(pod: Manifest) -> bool:
    """Whether requests may go to it."""
    return condition(pod, "Ready").get("status") == "True"


def is_ending(document: Manifest) -> bool:
    """Whether it was told to go."""
    return "deletionTimestamp" in document["metadata"]


def is_lost(pod: Manifest, now: datetime) -> bool:
    """Whether it should have been gone for a while: its node is, and nobody is left to say that it ended."""
    until = text(pod, "metadata", "deletionTimestamp")
    return bool(until) and now > moment(until) + timedelta(seconds=_LOST_SECONDS)


def restarts_of(pod: Manifest) -> int:
    """How often its containers were started again."""
    return sum(number(each, "restartCount") for each in parts(pod, "status", "containerStatuses"))


def _owned_by(document: Manifest, owner: Manifest) -> bool:
    owners = parts(document, "metadata", "ownerReferences")
    return any(each.get("uid") == owner["metadata"]["uid"] for each in owners)
