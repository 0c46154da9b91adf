"""What a deployment without downtime, and without needless rights, needs: the same rules for rendered manifests and for
those that a team brings.

Each rule names what is wrong, and the line to write; its place is the line that is to change, or what that line
belongs under. Rules of a pod are in `rules_pod`, those of a rolling update in `rules_rollout`, and those that several
objects keep together in `rules_around`.

Sources: Kubernetes 1.36, "Pod Security Standards" (restricted), "Deployments", "Specifying a Disruption Budget"; AWS
Load Balancer Controller, "Pod readiness gate".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters.kubernetes.located import Node
from shopkart_pipeline.adapters.kubernetes.names import image_name
from shopkart_pipeline.domain.evidence import Severity

RULES_VERSION = "1"
POD_PATHS = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""By kind of workload where its pod is described."""


@dataclass(frozen=True)
class Checked:
    """What the rules look at."""

    manifests: Sequence[Node]
    service: str
    drain_seconds: float
    """How long the service's replicas may take from SIGTERM to exit."""
    wants_spare: bool
    """Whether one replica is too few: true for production."""

    def of_kind(self, kind: str) -> tuple[Node, ...]:
        return tuple(manifest for manifest in self.manifests if manifest.text("kind") == kind)

    @property
    def own_image(self) -> str | None:
        """Name of the image whose digest the pipeline sets; None where it can't be told."""
        for deployment in self.of_kind("Deployment"):
            for container in containers_of(deployment):
                if is_main(deployment, container, self.service):
                    return image_name(container.text("image"))
        return None

    @property
    def workloads(self) -> tuple[Node, ...]:
        return tuple(manifest for manifest in self.manifests if manifest.text("kind") in POD_PATHS)


def pod_of(workload: Node) -> Node:
    """The description of a workload's pods; the workload itself where there is none."""
    return workload.nearest(*POD_PATHS[workload.text("kind")])


def containers_of(workload: Node) -> tuple[Node, ...]:
    """The containers that run beside each other; those that come before have no probes and no requests to serve."""
    return pod_of(workload).items("containers")


def is_main(workload: Node, container: Node, service: str) -> bool:
    """Whether it is the service's own container: of the Deployment called like the service the only one, or the one
    called so."""
    if workload.text("kind") != "Deployment" or workload.text("metadata", "name") != service:
        return False
    return len(containers_of(workload)) == 1 or container.text("name") == service


def says(rule: str, severity: Severity, place: Node, message: str) -> Located:
    """A finding at a place."""
    return Located(f"k8s-{rule}", severity, message, place.file, place.line)


def named(node: Node) -> str:
    """An object in words, such as `Deployment backend`."""
    return f"{node.text('kind')} {node.text('metadata', 'name')}"


def selects(selector: Node | None, labels: dict[str, Node]) -> bool:
    """Whether a label selector meets pods with these labels; one by expressions is taken at its word for equality."""
    if selector is None:
        return False
    wanted = selector.entries("matchLabels")
    expressions = selector.items("matchExpressions")
    met = all(key in labels and labels[key].content == value.content for key, value in wanted.items())
    return met and all(_holds(expression, labels) for expression in expressions)


def _holds(expression: Node, labels: dict[str, Node]) -> bool:
    label = labels.get(expression.text("key"))
    values = [value.content for value in expression.items("values")]
    match expression.text("operator"):
        case "In":
            return label is not None and label.content in values
        case "NotIn":
            return label is None or label.content not in values
        case "Exists":
            return label is not None
        case "DoesNotExist":
            return label is None
        case _:
            return False


def labels_of(workload: Node) -> dict[str, Node]:
    """The labels of a Deployment's pods."""
    return workload.entries("spec", "template", "metadata", "labels")


def autoscaler_of(checked: Checked, workload: Node) -> Node | None:
    """The autoscaler that changes a workload's number of replicas."""
    for scaler in checked.of_kind("HorizontalPodAutoscaler"):
        target = ("spec", "scaleTargetRef")
        same_kind = scaler.text(*target, "kind") == workload.text("kind")
        if same_kind and scaler.text(*target, "name") == workload.text("metadata", "name"):
            return scaler
    return None
