"""What a cluster has to know of a workload: what its pods need, how many there are, and how requests reach them.

Only what makes sense for a platform of the kind `kubernetes` is here; on another one it is checked and then unused.
"""

import ipaddress
import math

from shopkart_pipeline.domain.pod import Autoscale, PodRequirements, Resources, Route, RouteKind, SecretReference
from shopkart_pipeline.spec.models.delivery import (
    DeploymentSpec,
    ResourcesSpec,
    RouteSpec,
    SecretSpec,
    WorkloadSpec,
)
from shopkart_pipeline.spec.placeholders import unknown_placeholder
from shopkart_pipeline.spec.scope import Scope

ALB_PRE_STOP_SECONDS = 10
"""A target leaves an ALB within seconds of its deregistration, and its pod must serve until then."""
_DEFAULT_CPU_PERCENT = 70
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_HIGHEST_PORT = 65535


def compile_pod(scope: Scope, spec: WorkloadSpec, port: int) -> PodRequirements:
    """What the pods of a service need. Faults go to the scope."""
    default = PodRequirements()
    egress = None if spec.egress is None else tuple(spec.egress)
    for index, destination in enumerate(egress or ()):
        problem = destination_problem(destination)
        if problem:
            scope.fault(problem, "workload", "egress", index)
    return PodRequirements(
        port=port,
        resources=_resources(scope, spec.resources or ResourcesSpec()),
        secrets=_secrets(scope, spec),
        pre_stop_seconds=default.pre_stop_seconds if spec.pre_stop is None else spec.pre_stop,
        minimum_ready_seconds=default.minimum_ready_seconds if spec.minimum_ready is None else spec.minimum_ready,
        iam_role=spec.iam_role,
        egress=egress,
    )


def check_manifests(scope: Scope, folder: str | None) -> None:
    """Faults of the place of a team's own manifests."""
    problem = unknown_placeholder(folder or "", ("environment",))
    if problem:
        scope.fault(problem, "workload", "manifests")


def _resources(scope: Scope, spec: ResourcesSpec) -> Resources:
    default = Resources()
    memory, limit = spec.memory or default.memory, spec.memory_limit or default.memory_limit
    if memory_bytes(limit) < memory_bytes(memory):
        message = f"a replica may not use {limit} if it is to get {memory}; raise `memory_limit`"
        said = "memory_limit" if scope.says("workload", "resources", "memory_limit") else "memory"
        scope.fault(message, "workload", "resources", said)
    return Resources(spec.cpu or default.cpu, memory, limit)


def memory_bytes(quantity: str) -> int:
    """How much a quantity such as `256Mi` is."""
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]


def _secrets(scope: Scope, spec: WorkloadSpec) -> dict[str, SecretReference]:
    found: dict[str, SecretReference] = {}
    for variable, written in (spec.secrets or {}).items():
        reference = _secret(written or SecretSpec())
        if reference is None:
            message = "say where the value is: `name` and `key` of a Secret, or `external: {store, key}`, not both"
            scope.missing(message, "workload", "secrets", variable)
            continue
        if variable in (spec.variables or {}):
            message = "the variable is in `variables` too; take it away in one place"
            scope.fault(message, "workload", "secrets", variable)
        found[variable] = reference
    return found


def _secret(spec: SecretSpec) -> SecretReference | None:
    external = spec.external
    if external is not None:
        both = spec.name is not None or spec.key is not None
        return None if both else SecretReference("", external.key, external.store, external.version)
    return SecretReference(spec.name, spec.key) if spec.name and spec.key else None


def destination_problem(destination: str) -> str | None:
    """What is wrong with a place to connect to."""
    place, _, port = destination.partition(":")
    if port and not 1 <= int(port) <= _HIGHEST_PORT:
        return f"{port} is no port; write one from 1 to {_HIGHEST_PORT}"
    try:
        ipaddress.IPv4Network(place if "/" in place else "0.0.0.0/0")
    except ValueError as error:
        return f"{place} is not a network ({error}); write one such as 10.0.0.0/16"
    return None


def compile_scale(scope: Scope, environment: str, spec: DeploymentSpec) -> tuple[int, Autoscale | None]:
    """How many replicas to begin with, and between which bounds the platform may choose."""
    replicas, written = spec.replicas or 1, spec.autoscale
    if written is None:
        return replicas, None
    if written.maximum < written.minimum:
        message = f"at most {written.maximum} is less than at least {written.minimum}; raise `maximum`"
        scope.fault(message, "environments", environment, "autoscale", "maximum")
        return replicas, None
    inside = min(max(replicas, written.minimum), written.maximum)
    if inside != replicas and scope.says("environments", environment, "replicas"):
        message = (
            f"{replicas} is outside of what `autoscale` allows ({written.minimum} to {written.maximum}); "
            "take `replicas` away, or change the bounds"
        )
        scope.fault(message, "environments", environment, "replicas")
    cpu_percent = written.cpu_percent or _DEFAULT_CPU_PERCENT
    return inside, Autoscale(written.minimum, written.maximum, cpu_percent, written.requests_per_replica)


def compile_route(scope: Scope, environment: str, spec: RouteSpec | None) -> Route:
    """How requests reach the service there."""
    written = spec or RouteSpec()
    kind = RouteKind(written.kind or RouteKind.NONE)
    at = ("environments", environment, "route")
    if kind is RouteKind.GATEWAY and written.gateway is None:
        scope.missing("say which Gateway it is, such as edge/shop", *at, "gateway")
    if kind is not RouteKind.GATEWAY and written.gateway is not None:
        scope.fault("only a route of kind `gateway` has one; say `kind: gateway`, or take it away", *at, "gateway")
    if kind is RouteKind.NONE and written.host is not None:
        scope.fault("a route of kind `none` has no host; say `kind: gateway` or `kind: alb`", *at, "host")
    if kind is RouteKind.ALB and math.floor(_pre_stop_seconds(scope)) < ALB_PRE_STOP_SECONDS:
        message = (
            "an ALB goes on sending requests to a pod for seconds after it was told to end; "
            "say `workload: {pre_stop: 15s}`, or another time of 10 s at least"
        )
        scope.fault(message, *at, "kind")
    return Route(kind, written.gateway, written.host)


def _pre_stop_seconds(scope: Scope) -> float:
    said = scope.spec.workload.pre_stop if scope.spec.workload else None
    return PodRequirements.pre_stop_seconds if said is None else said
