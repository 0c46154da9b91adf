"""What runs: the wanted state of a workload, and what a cluster says about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shopkart_pipeline.domain.pod import Autoscale, PodRequirements, Route
from shopkart_pipeline.domain.release_unit import ReleaseUnit, changed_parts, configuration_digest

_NO_CONFIGURATION = frozenset({"digest", "repository", "release_key", "commit", "replicas", "autoscale", "route"})


class Track(StrEnum):
    """The two sides of a rollout, both behind one route."""

    STABLE = "stable"
    CANARY = "canary"


@dataclass(frozen=True)
class Probes:
    """Health endpoints with different jobs: started, ready for traffic, alive."""

    startup_path: str
    readiness_path: str
    liveness_path: str
    startup_deadline_seconds: float


@dataclass(frozen=True)
class WorkloadSpec:
    """The wanted state of one track of a service in an environment."""

    digest: str
    """Digest of the image's manifest; tags are never used."""
    release_key: str
    commit: str
    replicas: int
    command: tuple[str, ...]
    variables: Mapping[str, str]
    """As declared; the cluster fills in `{redis_url}`, `{database_url}` and `{url:SERVICE}` of its environment."""
    probes: Probes
    metrics_path: str
    drain_seconds: float
    pod: PodRequirements = field(default_factory=PodRequirements)
    autoscale: Autoscale | None = None
    """Set: the platform chooses the number of stable's replicas, and `replicas` is where it begins."""
    route: Route = field(default_factory=Route)
    own_manifests: str | None = None
    """The team's own objects as JSON, but for what the pipeline sets in them; None: they are rendered from the rest."""
    repository: str | None = None
    """Under which name the registry holds the image; None: the service's own."""

    @property
    def configuration(self) -> str:
        """`sha256:` over all that changes what runs beside the image; see `release_unit`."""
        return configuration_digest(self, _NO_CONFIGURATION)

    def changed_since(self, earlier: "WorkloadSpec") -> tuple[str, ...]:
        """Which parts of the configuration are not as they were, such as `variables.DEBUG`."""
        return changed_parts(earlier, self, _NO_CONFIGURATION)

    @property
    def unit(self) -> ReleaseUnit:
        """What goes forward and back together."""
        return ReleaseUnit(self.digest, self.configuration)


@dataclass(frozen=True)
class WorkloadStatus:
    """What the cluster says about one track."""

    spec: WorkloadSpec
    ready: int
    """Replicas of any version that are ready for traffic."""
    updated_ready: int
    """Ready replicas that already run `spec`."""
    total: int
    """Replicas of any version that exist."""
    restarts: int
    """Restarts of replicas of `spec` since it was applied."""
    failure: str | None = None
    """Why it doesn't get ready, told apart: crash loop, image missing, no capacity; None while all is well."""
    hindrance: str | None = None
    """What it waits for, where the platform says so and time may change it: room on a node, a quota."""
    by_hand: str | None = None
    """Which parts of the configuration somebody else set, where the platform tells; values are not told."""

    def is_of(self, unit: ReleaseUnit | None) -> bool:
        """Whether it is to run a unit."""
        return self.spec.unit.is_same(unit)

    @property
    def complete(self) -> bool:
        """Every wanted replica runs the wanted unit and is ready; none of an older version is left."""
        return self.updated_ready >= self.spec.replicas and self.total == self.spec.replicas


@dataclass(frozen=True)
class ServiceStatus:
    """A service in an environment as observed at one moment."""

    stable: WorkloadStatus | None
    canary: WorkloadStatus | None
    canary_weight_percent: int
    """The weight that the route really has, not the one that was asked for."""
    url: str
    asked_weight_percent: int | None = None
    """The weight that was asked for, where the route comes only as near to it as whole replicas do; None elsewhere."""

    def has_weight(self, percent: int) -> bool:
        """Whether the route has a weight, or is as near to it as it can come."""
        if self.canary_weight_percent == percent:
            return True
        return self.asked_weight_percent == percent and (percent > 0) == (self.canary_weight_percent > 0)
