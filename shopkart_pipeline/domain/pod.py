"""What a cluster of machines has to know of a workload beyond its image and its probes.

The defaults suit a web service. Secrets are named here and never held: a value reaches a replica from the cluster's own
Secret, or from an external store through it. A platform that runs replicas on one machine needs none of this.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

GRACE_MARGIN_SECONDS = 5
"""What a replica gets beyond `preStop` and draining before it is killed, for a slow node."""


@dataclass(frozen=True)
class Resources:
    """What a replica may count on, and where it ends. A CPU limit is left out: it slows requests down, and protects
    nobody whom the requests of the others don't protect."""

    cpu: str = "100m"
    memory: str = "128Mi"
    memory_limit: str = "256Mi"


@dataclass(frozen=True)
class SecretReference:
    """Where the value of one variable is: a key of a Secret that is there already, or one of an external store."""

    name: str
    """The Secret's name; empty for an external one, whose Secret gets its name from what it is made of."""
    key: str
    """Key in the Secret, or in the external store."""
    store: str | None = None
    """Name of the External Secrets Operator's cluster-wide store; None for a Secret that is there already."""
    version: str | None = None
    """Version in the store; None for its newest at the time when the Secret is made."""


@dataclass(frozen=True)
class PodRequirements:
    """How replicas are run, the same in every environment."""

    port: int = 8080
    resources: Resources = Resources()
    secrets: Mapping[str, SecretReference] = field(default_factory=dict[str, SecretReference])
    """By name of the variable."""
    pre_stop_seconds: float = 5.0
    """How long a replica goes on serving after it was told to end, while every route forgets its address."""
    minimum_ready_seconds: float = 10.0
    """How long a new replica has to be ready before it counts."""
    iam_role: str | None = None
    """ARN of the AWS role that replicas take on (IRSA)."""
    egress: tuple[str, ...] | None = None
    """Where replicas may connect to, `CIDR[:PORT]` or `HOST[:PORT]`; None for everywhere but the metadata service."""

    def grace_seconds(self, drain_seconds: float) -> int:
        """Seconds from being told to end until being killed: the countdown starts before `preStop`."""
        return math.ceil(self.pre_stop_seconds) + math.ceil(drain_seconds) + GRACE_MARGIN_SECONDS


@dataclass(frozen=True)
class Autoscale:
    """Bounds between which the platform chooses the number of stable's replicas."""

    minimum: int
    maximum: int
    cpu_percent: int
    """Of the requested CPU, on average over the replicas."""
    requests_per_replica: float | None = None
    """Per second, on average over the replicas; None: the platform goes by CPU alone."""


class RouteKind(StrEnum):
    """What shares traffic out between stable and canary."""

    GATEWAY = "gateway"
    """A Gateway API HTTPRoute, by weight."""
    ALB = "alb"
    """The AWS load balancer controller's Ingress, by weight."""
    NONE = "none"
    """One Service before both, by numbers of replicas."""


@dataclass(frozen=True)
class Route:
    """How requests reach the service."""

    kind: RouteKind = RouteKind.NONE
    gateway: str | None = None
    """`NAME` or `NAMESPACE/NAME` of the Gateway."""
    host: str | None = None


@dataclass(frozen=True)
class OwnManifests:
    """A team's own objects for one environment."""

    document: str
    """As JSON."""
    replicas: int
    """How many their Deployment asks for, or its autoscaler at least."""
    autoscale: Autoscale | None
