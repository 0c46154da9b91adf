"""Runs in pods: which kind of run a run is, who it may be in the cloud, and what its pod may use.

Decides by what is executed, not by what somebody says of it: the name of the job, and the key of the release. A run of
which that is not clear (a job of Dagster's own, several releases at once, no release) is treated as one of a pull
request, which may do the least. Tags that callers choose decide nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shopkart_pipeline.domain.pod import Resources
from shopkart_pipeline.domain.release import is_proposed

_HOUR_SECONDS = 3600.0


class RunKind(StrEnum):
    """Kinds of runs, by what they may do."""

    PULL_REQUESTS = "pull_requests"
    BUILDS = "builds"
    STAGING = "staging"
    PRODUCTION = "production"
    RESCANS = "rescans"
    BACKUPS = "backups"
    MAINTENANCE = "maintenance"

    @property
    def label(self) -> str:
        """As labels of pods have it."""
        return self.value.replace("_", "-")


ACCOUNTS: Mapping[RunKind, str] = {
    RunKind.PULL_REQUESTS: "pull-request",
    RunKind.BUILDS: "build",
    RunKind.STAGING: "deploy-staging",
    RunKind.PRODUCTION: "deploy-production",
    RunKind.RESCANS: "rescan",
    RunKind.BACKUPS: "backup",
    RunKind.MAINTENANCE: "control",
}
"""The service account of a kind of run. Those of `deploy/terraform/modules/iam` have a role of that name; the one of
pull requests has none, and so no identity."""
UNTRUSTED = RunKind.PULL_REQUESTS
"""Runs code that nobody has reviewed."""
SIGNING = frozenset({RunKind.BUILDS, RunKind.STAGING, RunKind.PRODUCTION, RunKind.MAINTENANCE})
"""Runs that have statements, or the ledger, signed."""
KEEPING_OUTPUTS = SIGNING
"""Runs whose accounts may write into the bucket for outputs of steps."""
MAINTENANCE_JOBS: Mapping[str, RunKind] = {
    "rescan": RunKind.RESCANS,
    "backup": RunKind.BACKUPS,
    "recovery_drill": RunKind.BACKUPS,
    "reconcile": RunKind.MAINTENANCE,
    "health": RunKind.MAINTENANCE,
    "incident": RunKind.MAINTENANCE,
    "drill": RunKind.MAINTENANCE,
    "measure_delivery": RunKind.MAINTENANCE,
    "channels": RunKind.MAINTENANCE,
    "branch_protection": RunKind.MAINTENANCE,
}
"""Jobs that belong to no service."""
_JOBS_OF_SERVICES: Mapping[str, RunKind] = {
    "ci": RunKind.BUILDS,
    "staging": RunKind.STAGING,
    "production": RunKind.PRODUCTION,
    "rollback": RunKind.PRODUCTION,
    "health": RunKind.MAINTENANCE,
}


_RESOURCES = Resources("1", "2Gi", "4Gi")


@dataclass(frozen=True)
class RunPod:
    """What the pod of a run may use."""

    resources: Resources = _RESOURCES
    deadline_seconds: float = 2 * _HOUR_SECONDS
    """After which the pod is killed, whatever it does."""
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    egress: tuple[str, ...] | None = None
    """Where it may connect to, `CIDR[:PORT]` or `HOST[:PORT]`; None for everywhere but the metadata service."""
    seccomp_profile: str | None = None
    """Of the node, by its path below the kubelet's folder; None for the runtime's own."""


DEFAULT_PODS: Mapping[RunKind, RunPod] = {
    RunKind.PULL_REQUESTS: RunPod(Resources("2", "4Gi", "8Gi"), 1 * _HOUR_SECONDS, egress=("10.0.0.0/8:5432",)),
    RunKind.BUILDS: RunPod(Resources("2", "4Gi", "8Gi"), 2 * _HOUR_SECONDS),
    RunKind.STAGING: RunPod(Resources("500m", "1Gi", "2Gi"), 3 * _HOUR_SECONDS),
    RunKind.PRODUCTION: RunPod(Resources("500m", "1Gi", "2Gi"), 12 * _HOUR_SECONDS),
    RunKind.RESCANS: RunPod(),
    RunKind.BACKUPS: RunPod(deadline_seconds=6 * _HOUR_SECONDS),
    RunKind.MAINTENANCE: RunPod(Resources("500m", "1Gi", "2Gi"), 1 * _HOUR_SECONDS),
}


def jobs_by_kind(services: Mapping[str, object]) -> dict[str, RunKind]:
    """The kind of every job that there is, by its name; a job of builds is one of pull requests for their releases."""
    found = dict(MAINTENANCE_JOBS)
    for service in services:
        prefix = service.replace("-", "_")
        found |= {f"{prefix}_{suffix}": kind for suffix, kind in _JOBS_OF_SERVICES.items()}
    return found


def kind_of_run(jobs: Mapping[str, str], job_name: str, release_key: str | None) -> RunKind:
    """What a run is.

    Args:
        jobs: kinds by the name of the job.
        job_name: the run's job.
        release_key: its one partition; None where it has none, or several.
    """
    kind = RunKind(jobs.get(job_name, UNTRUSTED))
    if kind is RunKind.BUILDS and (release_key is None or is_proposed(release_key)):
        return UNTRUSTED
    return kind
