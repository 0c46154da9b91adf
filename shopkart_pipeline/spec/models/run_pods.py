"""Runs in pods: what the pod of each kind of run may use."""

from pydantic import Field

from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.delivery import ResourcesSpec
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import Destination, NodeLabel, NodeLabelValue, SeccompProfile


class RunPodSpec(Section):
    """What the pod of a run may use (Kubernetes)."""

    resources: ResourcesSpec | None = Field(default=None, description="What a run may count on.")
    deadline: PositiveDuration | None = Field(
        default=None, description="After which the pod is killed, whatever it does."
    )
    node_selector: dict[NodeLabel, NodeLabelValue] | None = Field(
        default=None, description="Labels of the nodes that it runs on; a pool's taint of that name is tolerated."
    )
    egress: list[Destination] | None = Field(
        default=None,
        description="Where it may connect to beside DNS, as in `workload`. Has to name the database of Dagster. Unless "
        "said: port 5432 of private addresses for pull requests, everywhere but the metadata service for the others.",
    )
    seccomp_profile: SeccompProfile | None = Field(
        default=None,
        description="Profile on the nodes that allows what confinement needs (`unshare`, `mount`, `setns`). Unless "
        "said: the runtime's own.",
    )


class StagePodSpec(Section):
    """What the pod of one stage may use, which it gets for itself where runs are pods (Kubernetes)."""

    resources: ResourcesSpec | None = Field(
        default=None, description="What it may count on; unless said, as much as other stages in pods of their own."
    )
    deadline: PositiveDuration | None = Field(
        default=None, description="After which the pod is killed; never later than the stage's `timeout` asks for."
    )
    node_selector: dict[NodeLabel, NodeLabelValue] | None = Field(
        default=None, description="Labels of the nodes that it runs on; a pool's taint of that name is tolerated."
    )


class StepsSpec(StagePodSpec):
    """What stages in pods of their own may use unless they say otherwise (Kubernetes)."""

    egress: list[Destination] | None = Field(
        default=None,
        description="Where they may connect to beside their run, such as a package index. Unless said: nowhere.",
    )
    seccomp_profile: SeccompProfile | None = Field(
        default=None, description="Profile on the nodes. Unless said: the runtime's own."
    )


class RunPodsSpec(Section):
    """Pods of runs, where runs are launched in Kubernetes (`docs/production-kubernetes.md`). On one machine it is
    checked, and unused."""

    pull_requests: RunPodSpec | None = Field(
        default=None, description="Checks of pull requests and merge groups, and whatever is of no known kind."
    )
    builds: RunPodSpec | None = Field(default=None, description="Continuous integration of merges.")
    staging: RunPodSpec | None = Field(default=None, description="Deployments to staging.")
    production: RunPodSpec | None = Field(default=None, description="Deployments to production, and rollbacks.")
    rescans: RunPodSpec | None = Field(default=None, description="Rescans of what runs.")
    backups: RunPodSpec | None = Field(default=None, description="Backups and recovery drills.")
    maintenance: RunPodSpec | None = Field(default=None, description="Everything else.")
    steps: StepsSpec | None = Field(
        default=None,
        description="Stages in pods of their own: those that say `pod`, and on pull requests all that run code of the "
        "project.",
    )
