"""What the documents of the local cluster say: what is wanted, what is there, and what follows for an observer.

Clients write what they want, the controller writes what is there. An observer gets both compared *now*, so nothing
that was observed before a wish can be taken for its fulfilment: a replica counts as updated only if it runs exactly
what is wanted at this moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from shopkart_pipeline.adapters.local_cluster.documents import Codec
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec, WorkloadStatus


@dataclass(frozen=True)
class Lease:
    """The right to change a service."""

    holder: str
    expires_at: datetime


@dataclass(frozen=True)
class DesiredService:
    """What clients want of a service in an environment, and what they keep beside it."""

    tracks: Mapping[Track, WorkloadSpec] = field(default_factory=dict[Track, WorkloadSpec])
    canary_weight_percent: int = 0
    rollout: str | None = None
    lease: Lease | None = None

    def wants(self, track: Track, spec: WorkloadSpec | None) -> "DesiredService":
        """With another wish for one track; None wants it gone, and its share of the traffic with it."""
        others = {name: wish for name, wish in self.tracks.items() if name is not track}
        if spec is not None:
            return replace(self, tracks={**others, track: spec})
        weight = 0 if track is Track.CANARY else self.canary_weight_percent
        return replace(self, tracks=others, canary_weight_percent=weight)


@dataclass(frozen=True)
class ReplicaRecord:
    """One replica, as the controller knows it."""

    name: str
    """Such as `stable-3`; numbers are never used again."""
    track: Track
    spec: WorkloadSpec
    port: int
    handle: str | None = None
    """What the runtime finds it by; None while nothing runs."""
    ready: bool = False
    """By its own word."""
    routed: bool = False
    """The load balancer has confirmed that it sends requests here."""
    was_ready: bool = False
    """Since it was started last."""
    leaving: bool = False
    restarts: int = 0
    crashes: int = 0
    """In a row: ends that nobody asked for, without a calm time between them."""
    failure: str | None = None

    @property
    def number(self) -> int:
        """Grows from replica to replica of a service."""
        return int(self.name.rpartition("-")[2])

    @property
    def serves(self) -> bool:
        """Whether it counts: requests reach it, it wants them, and it is to stay."""
        return self.ready and self.routed and not self.leaving

    def runs(self, spec: WorkloadSpec | None) -> bool:
        """Whether this is a replica of `spec`; how many there shall be makes no difference."""
        return spec is not None and replace(self.spec, replicas=0) == replace(spec, replicas=0)


@dataclass(frozen=True)
class ObservedService:
    """What the controller sees of a service."""

    url: str
    canary_weight_percent: int = 0
    """As the load balancer has confirmed it."""
    last_number: int = 0
    """The number of the youngest replica."""
    replicas: tuple[ReplicaRecord, ...] = ()
    failure: str | None = None
    """Why no further replica can be added."""


class Phase(StrEnum):
    """How far the controller is."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True)
class ControllerState:
    """Who is in charge."""

    pid: int
    phase: Phase
    heartbeat_at: datetime
    environments: tuple[str, ...]
    runtime: str
    balancer_port: int
    """Where the load balancer answers about itself, on loopback."""
    waits_for: tuple[str, ...] = ()
    """Servers that aren't ready yet."""


@dataclass(frozen=True)
class ShutdownRequest:
    """The wish that the controller ends."""

    stop_workloads: bool


DESIRED = Codec(DesiredService)
OBSERVED = Codec(ObservedService)
CONTROLLER = Codec(ControllerState)
SHUTDOWN = Codec(ShutdownRequest)


def status_of(desired: DesiredService | None, observed: ObservedService | None) -> ServiceStatus:
    """What to tell an observer. A service that the controller has not met yet has no address."""
    wanted = desired or DesiredService()
    there = observed or ObservedService(url="")
    return ServiceStatus(
        stable=_track_status(Track.STABLE, wanted, there),
        canary=_track_status(Track.CANARY, wanted, there),
        canary_weight_percent=there.canary_weight_percent,
        url=there.url,
    )


def _track_status(track: Track, desired: DesiredService, observed: ObservedService) -> WorkloadStatus | None:
    replicas = [replica for replica in observed.replicas if replica.track is track]
    spec = desired.tracks.get(track)
    if spec is None:
        if not replicas:
            return None
        spec = replace(replicas[-1].spec, replicas=0)
    updated = [replica for replica in replicas if replica.runs(spec) and not replica.leaving]
    return WorkloadStatus(
        spec=spec,
        ready=sum(replica.serves for replica in replicas),
        updated_ready=sum(replica.serves for replica in updated),
        total=len(replicas),
        restarts=sum(replica.restarts for replica in updated),
        failure=next((replica.failure for replica in updated if replica.failure is not None), observed.failure),
    )
