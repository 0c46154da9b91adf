"""The declaration as the rest of the house sees it: already validated, frozen, without YAML.

`spec` compiles `shopkart.yaml` to these types. Everything here is complete: defaults are filled in, durations are
seconds, weights are percent, paths are relative to the root of the service's repository unless they say otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline.domain.analysis import Analysis, Objective
from shopkart_pipeline.domain.backup import Recovery
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket
from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.health_watch import HealthWatch
from shopkart_pipeline.domain.incident_policy import IncidentPolicy
from shopkart_pipeline.domain.load_test import LoadTest
from shopkart_pipeline.domain.log_source import LokiSource
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.notification import NotificationPolicy
from shopkart_pipeline.domain.pod import Autoscale, PodRequirements, Route
from shopkart_pipeline.domain.policy import Gate
from shopkart_pipeline.domain.registry import Registry
from shopkart_pipeline.domain.roles import Roles
from shopkart_pipeline.domain.rollout import RolloutStep
from shopkart_pipeline.domain.run_pods import DEFAULT_PODS, RunKind, RunPod
from shopkart_pipeline.domain.scale_window import ScaleWindow
from shopkart_pipeline.domain.step_pods import DEFAULT_STEP_POD, StagePod


class Phase(StrEnum):
    """The runs of a release, in order. Each is one Dagster job per service."""

    CI = "ci"
    STAGING = "staging"
    PRODUCTION = "production"


class StageKind(StrEnum):
    """What a stage does. The shipped stages carry the name of their kind; a declared one is a `COMMAND`."""

    SOURCE = "source"
    DEPENDENCIES = "dependencies"
    LINT = "lint"
    UNIT_TESTS = "unit_tests"
    QUALITY = "quality"
    SECRET_SCAN = "secret_scan"
    DEPENDENCY_SCAN = "dependency_scan"
    MANIFESTS = "manifests"
    APPLICATION = "application"
    IMAGE = "image"
    IMAGE_SCAN = "image_scan"
    PUBLISHED_IMAGE = "published_image"
    ATTESTATIONS = "attestations"
    CODE_REVIEW = "code_review"
    STAGING_EXPAND = "staging_expand"
    STAGING = "staging"
    INTEGRATION_TESTS = "integration_tests"
    ACCEPTANCE_TESTS = "acceptance_tests"
    COMPATIBILITY = "compatibility"
    LOAD_TEST = "load_test"
    STAGING_ATTESTATIONS = "staging_attestations"
    PRODUCTION_EXPAND = "production_expand"
    PRODUCTION = "production"
    CONTRACT = "contract"
    COMMAND = "command"


ATTESTING = frozenset({StageKind.ATTESTATIONS, StageKind.STAGING_ATTESTATIONS})
"""What signs: each states what its phase has established about the image."""
EXPANDS = frozenset({StageKind.STAGING_EXPAND, StageKind.PRODUCTION_EXPAND})
"""Migrations before a rollout: they add to the database what the new version needs, and the old one goes on without."""
MIGRATIONS = EXPANDS | {StageKind.CONTRACT}
"""With what comes after a rollout, and takes from the database what only older versions need."""


@dataclass(frozen=True)
class Stage:
    """One stage of a service's way, complete with defaults."""

    name: str
    kind: StageKind
    phase: Phase
    needs: tuple[str, ...]
    """Names of stages of the same service that must have passed before."""
    timeout_seconds: float
    tool: str = "auto"
    """Name of an adapter, or `auto`: the production tool where it is there, else the embedded default."""
    command: tuple[str, ...] = ()
    """What to run where the stage runs a command; `{python}` is the interpreter of the service's environment."""
    junit: str | None = None
    """Where the command writes JUnit XML, relative to the service's path."""
    coverage: str | None = None
    """Where the command writes its coverage as Cobertura XML or LCOV, relative to the service's path."""
    sarif: str | None = None
    """Where the command writes SARIF 2.1.0, relative to the service's path."""
    checkstyle: str | None = None
    """Where the command writes checkstyle XML, relative to the service's path."""
    retries: int = 0
    """How often failed tests are run again; one that then passes is flaky, and counted as such."""
    reuse: bool = True
    """Whether a result for the same inputs may stand for a new attempt."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further options of the tool, such as `lock` or `advisories`; each tool documents its own."""
    load: LoadTest | None = None
    """Of a load test: what is sent, and what has to hold."""
    pod: StagePod | None = None
    """What the pod of its own is like that it gets where runs are pods; None: it runs where its run runs."""


@dataclass(frozen=True)
class Source:
    """Where the code of a service lives."""

    repository: str
    """`owner/name` as GitHub spells it; webhooks are matched against it."""
    remote: str
    """What `git fetch` is given; `{home}` has been filled in."""
    branch: str
    path: str
    """The service's folder in the repository; `.` for all of it."""
    shared_paths: tuple[str, ...] = ()
    """Folders outside of `path` whose changes concern the service too."""


@dataclass(frozen=True)
class Approvals:
    """Who must agree before an environment changes."""

    required: int
    approvers: tuple[str, ...]
    """Principals as the allowed-signers file names them (e-mail addresses)."""
    allowed_signers: Path | None
    """OpenSSH allowed-signers file, absolute."""
    expires_after_seconds: float
    four_eyes: bool = True
    """Authors and committers of anything since the release in production do not count."""


@dataclass(frozen=True)
class Workload:
    """How a service runs, the same in every environment but for what `Environment` overrides."""

    command: tuple[str, ...]
    """Entry point of the image, such as `python -m storefront_backend`."""
    startup_path: str
    readiness_path: str
    liveness_path: str
    metrics_path: str
    startup_deadline_seconds: float
    drain_seconds: float
    """Longest time that a replica may take from SIGTERM to exit, its requests finished."""
    port: int
    variables: Mapping[str, str]
    """Environment variables; `{redis_url}`, `{database_url}` and `{url:SERVICE}` name what the environment gives."""
    base_image: str | None = None
    pod: PodRequirements = field(default_factory=PodRequirements)
    manifests: str | None = None
    """Folder of the team's own manifests, relative to the service's path, with `{environment}` still in it; None: they
    are rendered from this declaration."""

    def manifests_in(self, environment: str) -> str | None:
        """That folder for an environment."""
        return None if self.manifests is None else self.manifests.replace("{environment}", environment)


@dataclass(frozen=True)
class Deployment:
    """A service in an environment: how many replicas, by which steps, watched by what, approved by whom."""

    environment: str
    replicas: int
    steps: tuple[RolloutStep, ...]
    """Empty: a rolling update without canary."""
    deadline_seconds: float
    """A rollout that is not through by then is rolled back."""
    analysis: Analysis
    objectives: tuple[Objective, ...]
    approvals: Approvals | None
    url: str | None = None
    """Where people find the service there; None where that is not said."""
    autoscale: Autoscale | None = None
    route: Route = field(default_factory=Route)
    soak_seconds: float = 0.0
    """In staging: how long a release has to stand there before production is possible."""
    freeze: tuple[FreezeWindow, ...] = ()
    """In production: when nothing new goes there."""
    contract_after_seconds: float = 0.0
    """In production: how long a release has to stand there before its contracting migration runs."""
    scale_ahead: tuple[ScaleWindow, ...] = ()
    """When there are more replicas than otherwise."""


@dataclass(frozen=True)
class LeftOut:
    """A stage or gate that the declaration leaves out on purpose."""

    service: str
    stage: str
    gate: str | None
    """None where the whole stage is left out."""
    reason: str


@dataclass(frozen=True)
class Service:
    """One deployable service, complete."""

    name: str
    owners: tuple[str, ...]
    source: Source
    stages: tuple[Stage, ...]
    """In an order in which each stage comes after those that it needs."""
    gates: tuple[Gate, ...]
    workload: Workload
    deployments: Mapping[str, Deployment]
    """By name of the environment."""
    depends_on: tuple[str, ...] = ()
    """Services that must be in the environment before this one."""
    left_out: tuple[LeftOut, ...] = ()
    """Stages and gates that would be there, and are left out for a reason."""

    def stage(self, name: str) -> Stage:
        """The stage of that name; raises `KeyError` where there is none."""
        return next((stage for stage in self.stages if stage.name == name), None) or _no_stage(self.name, name)

    def stages_of(self, phase: Phase) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if stage.phase is phase)

    def stage_of(self, kind: StageKind) -> Stage | None:
        """The shipped stage of a kind; None where the service has none."""
        return next((stage for stage in self.stages if stage.kind is kind), None)


def _no_stage(service: str, name: str) -> Stage:
    raise KeyError(f"service {service} has no stage {name}")


@dataclass(frozen=True)
class Environment:
    """A place where services run."""

    name: str
    phase: Phase
    """`STAGING` or `PRODUCTION`."""
    platform: str
    """Adapter of the cluster port: `local` or `kubernetes`."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    telemetry: PrometheusSource | None = None
    """Who counts requests on `kubernetes`; None: nobody. The embedded platform's load balancer counts them itself."""
    health: HealthWatch | None = None
    """How releases are watched once they are there; None: by schedule alone."""
    log_source: LokiSource | None = None
    """Who has the logs on `kubernetes`; None: the pods that are there."""

    def cannot_judge(self, deployment: Deployment) -> str | None:
        """Why a canary of this deployment could never pass here; None where it could, or where there is none."""
        if self.platform != "kubernetes" or self.telemetry is not None or not deployment.steps:
            return None
        return (
            "nobody counts requests, so a canary is held and turned back at its deadline; declare "
            f"`environments: {{{self.name}: {{telemetry: {{prometheus: ...}}}}}}`, or `canary: []`"
        )


@dataclass(frozen=True)
class Concurrency:
    """How many runs may be at work at the same time, over all services; the others wait in order. Rollbacks wait for no
    place, and take none."""

    runs: int = 6
    pull_requests: int = 3
    """Runs of pull requests among them; fewer than `runs` always leaves places to merges."""
    per_service: int | None = None
    """Runs of each service among them; None: as many as there are places."""
    environments: Mapping[str, int] = field(default_factory=dict[str, int])
    """Runs that change an environment, by its name; as many as there are places where it is not named."""


@dataclass(frozen=True)
class Pipeline:
    """All that `shopkart.yaml` says."""

    file: Path
    digest: str
    """`sha256:` of the declaration's bytes: which policy was in force is part of every verdict."""
    services: Mapping[str, Service]
    environments: Mapping[str, Environment]
    schedules: Mapping[str, str]
    """Cron expressions by name of the maintenance job, such as `reconcile`."""
    live_releases: int = 1000
    """Dagster partitions kept per service; older releases stay in the evidence store."""
    registry: Registry = field(default_factory=Registry)
    concurrency: Concurrency = field(default_factory=Concurrency)
    run_pods: Mapping[RunKind, RunPod] = field(default_factory=lambda: DEFAULT_PODS)
    """What runs may use where they are pods in Kubernetes, for every kind."""
    step_pod: RunPod = field(default_factory=lambda: DEFAULT_STEP_POD)
    """What a stage in a pod of its own may use unless it says otherwise."""
    alerting: Alerting = field(default_factory=Alerting)
    incidents: IncidentPolicy = field(default_factory=IncidentPolicy)
    code_host: CodeHostPolicy | None = None
    """None: there are webhooks and git, and nothing is told back."""
    notifications: NotificationPolicy | None = None
    """None: nobody is told anything."""
    recovery: Recovery = field(default_factory=Recovery)
    evidence_bucket: EvidenceBucket | None = None
    """None: evidence is in the pipeline's home alone."""
    roles: Roles = field(default_factory=Roles)
    allowed_signers: Path | None = None
    """OpenSSH allowed-signers file, absolute; None: nobody can sign."""

    def services_in(self, repository: str) -> tuple[Service, ...]:
        """The services whose code a repository holds."""
        return tuple(each for each in self.services.values() if each.source.repository == repository)

    def released_from(self, repository: str, branch: str) -> tuple[Service, ...]:
        """The services that a branch of a repository is released as."""
        return tuple(each for each in self.services_in(repository) if each.source.branch == branch)

    @property
    def branches(self) -> Mapping[tuple[str, str], tuple[Service, ...]]:
        """The services by repository and branch, in the order in which they are declared."""
        found: dict[tuple[str, str], tuple[Service, ...]] = {}
        for service in self.services.values():
            place = service.source.repository, service.source.branch
            found[place] = (*found.get(place, ()), service)
        return found
