"""How a service runs, and how it gets into an environment."""

from typing import Annotated, Literal

from pydantic import Field

from shopkart_pipeline.spec.cron import Cron
from shopkart_pipeline.spec.durations import Duration, PositiveDuration
from shopkart_pipeline.spec.models.analysis import AnalysisSpec
from shopkart_pipeline.spec.models.section import Command, Ratio, Section
from shopkart_pipeline.spec.text_types import (
    CpuQuantity,
    Destination,
    GatewayName,
    HostName,
    MemoryQuantity,
    Moment,
    ObjectName,
    Owner,
    RelativePath,
    RoleArn,
    SecretKey,
    Text,
    TimeZone,
    UrlPath,
    VariableName,
    WebAddress,
    Words,
)


class HealthSpec(Section):
    """Health endpoints; each has a job of its own."""

    startup: UrlPath | None = Field(default=None, description="Answers 200 once the service has started.")
    readiness: UrlPath | None = Field(default=None, description="Answers 200 while the service can take requests.")
    liveness: UrlPath | None = Field(default=None, description="Answers 200 unless the service has to be restarted.")


class ResourcesSpec(Section):
    """What a replica may count on. A CPU limit can't be said: it slows requests down and protects nobody."""

    cpu: CpuQuantity | None = Field(default=None, description="CPU that a replica is given at least.")
    memory: MemoryQuantity | None = Field(default=None, description="Memory that a replica is given at least.")
    memory_limit: MemoryQuantity | None = Field(
        default=None, description="Memory beyond which a replica is ended; at least `memory`."
    )


class ExternalSecretSpec(Section):
    """A value in an external store, which the External Secrets Operator brings into the cluster."""

    store: ObjectName = Field(description="Name of the operator's `ClusterSecretStore`.")
    key: SecretKey = Field(description="Key in the store.")
    version: Words | None = Field(
        default=None, description="Version in the store; with it the value goes forward and back with the release."
    )


class SecretSpec(Section):
    """Where a variable's value comes from: `name` and `key` of a Secret, or `external`. Never the value itself."""

    name: ObjectName | None = Field(default=None, description="Name of a Secret that is in the cluster already.")
    key: SecretKey | None = Field(default=None, description="Key in that Secret.")
    external: ExternalSecretSpec | None = Field(default=None, description="Where it is in an external store.")


class MigrationsSpec(Section):
    """Migrations of the database: commands of the release's image, with the variables and secrets of its replicas. Each
    may be run again, so it has to find out by itself what is left to do. One of the two at least."""

    expand: Command | None = Field(
        default=None,
        description="Adds what the new version needs, and takes nothing away; runs before the rollout begins. "
        "`{service}` is filled in.",
    )
    contract: Command | None = Field(
        default=None,
        description="Takes away what only older versions need; runs `contract_after` the release came to stand in "
        "production, in staging first. No release from before it can be rolled back to. `{service}` is filled in.",
    )


class WorkloadSpec(Section):
    """How the service runs, the same in every environment."""

    command: Command | None = Field(
        default=None, description="Entry point of the image; `{service}` is the service's name. Has to be said."
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Port that the service listens on, given to it as `PORT`."
    )
    health: HealthSpec | None = Field(default=None, description="Paths of the health endpoints.")
    startup_deadline: PositiveDuration | None = Field(
        default=None, description="Longest time until a replica has started."
    )
    metrics: UrlPath | None = Field(default=None, description="Path of the metrics in Prometheus format.")
    variables: dict[VariableName, Text] | None = Field(
        default=None,
        description="Environment variables; `{redis_url}`, `{database_url}` and `{url:SERVICE}` are filled in by the "
        "environment. No place for secrets.",
    )
    drain: Duration | None = Field(
        default=None, description="Longest time from SIGTERM to exit, running requests finished."
    )
    base_image: Words | None = Field(default=None, description="Image to build on, where the builder takes one.")
    resources: ResourcesSpec | None = Field(default=None, description="What a replica may count on (Kubernetes).")
    secrets: dict[VariableName, SecretSpec | None] | None = Field(
        default=None, description="Environment variables whose values are secrets: where each is (Kubernetes)."
    )
    pre_stop: PositiveDuration | None = Field(
        default=None,
        description="How long a replica goes on serving after it was told to end, while routes forget it (Kubernetes).",
    )
    minimum_ready: Duration | None = Field(
        default=None, description="How long a new replica has to be ready before it counts (Kubernetes)."
    )
    iam_role: RoleArn | None = Field(
        default=None, description="ARN of the AWS role that replicas take on, by IRSA (Kubernetes on AWS)."
    )
    egress: list[Destination] | None = Field(
        default=None,
        description="Where replicas may connect to beside DNS and their own namespace, as `CIDR[:PORT]` or "
        "`HOST[:PORT]`; a network policy knows no names, so a host opens its port (443 unless said) to every public "
        "address. Unless said: everywhere but the cloud's metadata service (Kubernetes).",
    )
    manifests: RelativePath | None = Field(
        default=None,
        description="Folder of the team's own manifests or kustomization, relative to the service's path; "
        "`{environment}` is filled in. The pipeline then sets the image's digest and what it owns, and renders none; "
        "`replicas` and `autoscale` are what these manifests say.",
    )
    migrations: MigrationsSpec | None = Field(
        default=None,
        description="Commands that migrate the database; how long each may take is said at its stage "
        "(`staging_expand`, `production_expand`, `contract`).",
    )


class CanaryStep(Section):
    """One step of a canary."""

    weight: Annotated[int, Field(ge=1, le=100)] = Field(
        description="Percent of the traffic that the canary gets; grows from step to step."
    )
    bake: Duration = Field(description="Shortest time before the next step.")


class ErrorObjective(Section):
    """A promise about errors."""

    at_most: Ratio = Field(description="Ratio (0 to 1) of requests that may fail.")
    window: PositiveDuration = Field(description="The time over which it is measured.")


class LatencyObjective(Section):
    """A promise about latency."""

    at_most: Annotated[float, Field(gt=0, le=3600)] = Field(description="Seconds.")
    window: PositiveDuration = Field(description="The time over which it is measured.")


class ObjectivesSpec(Section):
    """What is promised for the service, by measure."""

    error_ratio: ErrorObjective | None = Field(
        default=None, description="Ratio of requests answered with a server error."
    )
    latency_p95_seconds: LatencyObjective | None = Field(
        default=None, description="Time within which 95 of 100 requests are answered."
    )


class ApprovalsSpec(Section):
    """Who must agree before the environment changes."""

    required: Annotated[int, Field(ge=0, le=20)] | None = Field(
        default=None, description="How many people must agree; 0 asks nobody."
    )
    approvers: list[Owner] | None = Field(
        default=None,
        description="E-mail addresses as the allowed-signers file has them, or `team:NAME` out of `teams`.",
    )
    expires_after: PositiveDuration | None = Field(default=None, description="How long an approval counts.")
    four_eyes: bool | None = Field(default=None, description="Authors and committers of what is released don't count.")


class AutoscaleSpec(Section):
    """Bounds between which the platform chooses the number of stable's replicas."""

    minimum: Annotated[int, Field(ge=2, le=1000)] = Field(description="Fewest replicas.")
    maximum: Annotated[int, Field(ge=2, le=1000)] = Field(description="Most replicas.")
    cpu_percent: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Percent of the requested CPU that replicas are to use on average."
    )
    requests_per_replica: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        default=None,
        description="Requests per second that a replica is to answer on average; whichever of this and `cpu_percent` "
        "asks for more replicas decides. Unless said: CPU alone (Kubernetes, with prometheus-adapter).",
    )


class RouteSpec(Section):
    """How requests reach the service, and what shares them out between stable and canary."""

    kind: Literal["gateway", "alb", "none"] | None = Field(
        default=None,
        description="`gateway`: an HTTPRoute with weights; `alb`: an Ingress of the AWS load balancer controller with "
        "weights; `none`: one Service, so the share of the traffic follows from the numbers of replicas.",
    )
    gateway: GatewayName | None = Field(default=None, description="The Gateway, as `NAME` or `NAMESPACE/NAME`.")
    host: HostName | None = Field(default=None, description="Host name that requests come for; any unless said.")


class FreezeSpec(Section):
    """A window in which nothing new goes to production: between two moments, or on days of the week."""

    name: Words = Field(description="What it is for, such as Black Friday.")
    time_zone: TimeZone = Field(description="The time zone of moments and days.")
    begins: Moment | None = Field(default=None, description="The first moment.")
    ends: Moment | None = Field(default=None, description="The first moment after it.")
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = Field(
        default=None, description="Days of the week, from midnight to midnight; instead of `begins` and `ends`."
    )


class ScaleAheadSpec(Section):
    """A window with more replicas than otherwise: between two moments, or again and again. Where a number is fixed, it
    is raised; where the platform scales, its fewest replicas are, and it goes on scaling. Windows that are over stay
    declared as long as you like."""

    name: Words = Field(description="What it is for, such as Black Friday.")
    time_zone: TimeZone = Field(description="The time zone of the moments.")
    begins: Moment | None = Field(default=None, description="The first moment.")
    ends: Moment | None = Field(default=None, description="The first moment after it.")
    cron: Cron | None = Field(
        default=None, description="When it begins, again and again; instead of `begins` and `ends`."
    )
    lasts: PositiveDuration | None = Field(default=None, description="With `cron`: how long.")
    minimum: Annotated[int, Field(ge=2, le=1000)] | None = Field(
        default=None, description="Fewest replicas in the window."
    )
    factor: Annotated[float, Field(gt=1, le=100)] | None = Field(
        default=None, description="Instead of `minimum`: times the fewest replicas of every day, rounded up."
    )
    lead: Duration | None = Field(
        default=None,
        description="How long before the window replicas are raised, as nodes and replicas take time to start.",
    )
    freeze: bool | None = Field(
        default=None,
        description="In production: nothing new goes there from the lead time on until the window is over, as `freeze` "
        "does. For windows with `begins` and `ends`.",
    )


class DeploymentSpec(Section):
    """A service in one environment."""

    replicas: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, description="Replicas of stable.")
    canary: list[CanaryStep] | None = Field(
        default=None, description="Steps of the canary; an empty list is a rolling update without canary."
    )
    deadline: PositiveDuration | None = Field(
        default=None, description="Longest time that a phase of the rollout may wait before it is rolled back."
    )
    analysis: AnalysisSpec | None = Field(default=None, description="How the canary is judged.")
    objectives: ObjectivesSpec | None = Field(default=None, description="What is promised for the service.")
    approvals: ApprovalsSpec | None = Field(default=None, description="Who must agree before the environment changes.")
    url: WebAddress | None = Field(
        default=None, description="Where people find the service there; deployments at GitHub link to it."
    )
    autoscale: AutoscaleSpec | None = Field(
        default=None, description="Lets the platform choose the number of stable's replicas (Kubernetes)."
    )
    route: RouteSpec | None = Field(default=None, description="How requests reach the service (Kubernetes).")
    freeze: list[FreezeSpec] | None = Field(
        default=None,
        description="In production: when nothing new goes there, unless two approvers agree while the window is on.",
    )
    scale_ahead: list[ScaleAheadSpec] | None = Field(
        default=None, description="When there are more replicas than otherwise, such as on a sale day."
    )
    soak: Duration | None = Field(
        default=None, description="In staging: how long a release has to stand there before it may go to production."
    )
    contract_after: Duration | None = Field(
        default=None,
        description="In production: how long a release has to stand there before its contracting migration runs; until "
        "then the release before remains a way back.",
    )
