"""The declaration as a whole."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from shopkart_pipeline.spec.cron import Cron
from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.alerting import AlertingSpec
from shopkart_pipeline.spec.models.code_host import CodeHostSpec
from shopkart_pipeline.spec.models.delivery import DeploymentSpec, WorkloadSpec
from shopkart_pipeline.spec.models.evidence import EvidenceSpec
from shopkart_pipeline.spec.models.gates import GateSpec
from shopkart_pipeline.spec.models.incidents import IncidentsSpec
from shopkart_pipeline.spec.models.notifications import NotificationsSpec
from shopkart_pipeline.spec.models.recovery import RecoverySpec
from shopkart_pipeline.spec.models.registry import RegistrySpec
from shopkart_pipeline.spec.models.roles import RolesSpec
from shopkart_pipeline.spec.models.run_pods import RunPodsSpec
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.models.stages import StagesSpec
from shopkart_pipeline.spec.models.telemetry import TelemetrySpec
from shopkart_pipeline.spec.text_types import (
    Branch,
    Email,
    EnvironmentName,
    Identifier,
    OptionName,
    Owner,
    RelativePath,
    Remote,
    Repository,
    ServiceName,
    TeamName,
    Text,
    declared_error,
)

_VERSION = 1


def _check_version(version: int) -> int:
    if version != _VERSION:
        raise declared_error(f"{version} is not a version of this format; write {_VERSION}")
    return version


Version = Annotated[int, AfterValidator(_check_version), WithJsonSchema({"const": _VERSION})]


class SourceSpec(Section):
    """Where the code of a service lives. `{service}` is filled in, in `remote` also `{repository}` and `{home}`."""

    repository: Repository | None = Field(
        default=None, description="`owner/name` as GitHub spells it; webhooks are matched against it. Has to be said."
    )
    remote: Remote | None = Field(default=None, description="What git fetches from.")
    branch: Branch | None = Field(default=None, description="A merge into this branch becomes a release.")
    path: RelativePath | None = Field(
        default=None, description="The service's folder in the repository; `.` for all of it."
    )
    shared_paths: list[RelativePath] | None = Field(
        default=None, description="Folders outside of `path` whose changes concern the service too."
    )


class ServiceSpec(Section):
    """One service. What it does not say comes from `defaults`, then from what is shipped."""

    owners: list[Owner] | None = Field(
        default=None, description="Who answers for the service: e-mail addresses or `team:NAME`. Has to be said."
    )
    source: SourceSpec | None = Field(default=None, description="Where the code lives.")
    stages: StagesSpec | None = Field(default=None, description="How stages run, by name of the stage.")
    gates: dict[Identifier, dict[Identifier, GateSpec | None] | None] | None = Field(
        default=None, description="Gates by name of the stage, then by name of the gate."
    )
    workload: WorkloadSpec | None = Field(default=None, description="How the service runs.")
    environments: dict[EnvironmentName, DeploymentSpec | None] | None = Field(
        default=None, description="How the service is deployed, by name of the environment."
    )
    depends_on: list[ServiceName] | None = Field(
        default=None, description="Services that must be in the environment before this one."
    )


class HealthWatchSpec(Section):
    """How a release is watched after it took the environment: its objectives are checked again and again."""

    bake: PositiveDuration = Field(description="For how long.")
    every: Annotated[PositiveDuration, Field(ge=10)] | None = Field(
        default=None, description="From one look to the next; not longer than `bake`. Default: `1m`."
    )


class EnvironmentSpec(Section):
    """A place where services run."""

    phase: Literal["staging", "production"] | None = Field(
        default=None, description="What it is for; an environment called `staging` or `production` need not say it."
    )
    platform: Literal["local", "kubernetes"] | None = Field(default=None, description="What runs the services there.")
    options: dict[OptionName, Text] | None = Field(default=None, description="Options of the platform, as text.")
    telemetry: TelemetrySpec | None = Field(
        default=None, description="Who counts requests there; the embedded platform does it itself."
    )
    health: HealthWatchSpec | None = Field(
        default=None,
        description="How releases are watched once they are there; `schedules.health` looks at whatever runs.",
    )


class TrustSpec(Section):
    """Whose word counts."""

    allowed_signers: Text | None = Field(
        default=None,
        description="OpenSSH allowed-signers file, relative to the declaration; `{home}` is the pipeline's home. "
        "It is read when an approval comes in, and need not exist before.",
    )


class SchedulesSpec(Section):
    """When maintenance runs, as cron expressions."""

    reconcile: Cron | None = Field(
        default=None, description="Compares branch heads with releases, for events that got lost."
    )
    branch_protection: Cron | None = Field(
        default=None, description="Compares how branches are protected with `github.branch`, where that is declared."
    )
    rescan: Cron | None = Field(default=None, description="Scans what runs in production with today's advisories.")
    backup: Cron | None = Field(default=None, description="Backs up what is declared under `recovery`.")
    recovery_drill: Cron | None = Field(
        default=None, description="Restores the newest backups on servers of their own, and looks whether they work."
    )
    delivery_measures: Cron | None = Field(
        default=None, description="Measures how software is delivered, over the last thirty days."
    )
    drill: Cron | None = Field(
        default=None, description="Has the case study's incident happen on a platform of its own, and scores it."
    )
    health: Cron | None = Field(
        default=None, description="Looks at the objectives of everything that runs; off unless said."
    )


class RetentionSpec(Section):
    """How much is kept at hand."""

    live_releases: Annotated[int, Field(ge=10, le=100_000)] | None = Field(
        default=None, description="Releases kept per service in the Dagster UI; older ones stay in the evidence store."
    )


class ConcurrencySpec(Section):
    """How many runs may be at work at the same time, over all services; the others wait in order. Rollbacks wait for
    no place, and take none."""

    runs: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, description="Runs of any kind.")
    pull_requests: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Runs of pull requests among them; fewer than `runs` always leaves places to merges."
    )
    per_service: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Runs of each service among them; not limited unless it is said."
    )
    environments: dict[EnvironmentName, Annotated[int, Field(ge=1, le=1000)]] | None = Field(
        default=None,
        description="Runs that change an environment, by its name, such as `production: 1`; not limited unless it is "
        "said.",
    )


class DeclarationSpec(Section):
    """All that `shopkart.yaml` says."""

    version: Version = Field(description="Version of this format; always 1.")
    defaults: ServiceSpec | None = Field(
        default=None, description="What every service has unless it says otherwise; the same keys as a service."
    )
    services: dict[ServiceName, ServiceSpec | None] | None = Field(
        default=None, description="The services by name. Has to hold one at least."
    )
    environments: dict[EnvironmentName, EnvironmentSpec | None] | None = Field(
        default=None, description="Where services run, by name. Replaces the shipped environments as a whole."
    )
    registry: RegistrySpec | None = Field(default=None, description="Where images are kept.")
    github: CodeHostSpec | None = Field(
        default=None,
        description="GitHub: who is who, who may command what. Without it there are webhooks and git alone.",
    )
    notifications: NotificationsSpec | None = Field(
        default=None, description="How people are told of incidents and of work. Without it nobody is told."
    )
    teams: dict[TeamName, list[Email] | None] | None = Field(
        default=None, description="Members of teams, for `approvers` and `commands`."
    )
    trust: TrustSpec | None = Field(default=None, description="Whose word counts.")
    roles: RolesSpec | None = Field(default=None, description="Who may do what.")
    recovery: RecoverySpec | None = Field(default=None, description="Backups and recovery drills.")
    evidence: EvidenceSpec | None = Field(
        default=None, description="A bucket for evidence. Without it evidence is in the pipeline's home alone."
    )
    schedules: SchedulesSpec | None = Field(default=None, description="When maintenance runs.")
    retention: RetentionSpec | None = Field(default=None, description="How much is kept at hand.")
    incidents: IncidentsSpec | None = Field(default=None, description="What is done about incidents.")
    concurrency: ConcurrencySpec | None = Field(
        default=None, description="How many runs may be at work at the same time."
    )
    run_pods: RunPodsSpec | None = Field(
        default=None, description="What runs may use where they are pods in Kubernetes."
    )
    alerting: AlertingSpec | None = Field(default=None, description="Where alerts go and where people look.")
