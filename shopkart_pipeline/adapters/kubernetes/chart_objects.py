"""Which parts of objects are values of the chart: how many pods, how large, on which nodes, and annotations.

Where a process is there once, it is so because it holds what no second one may: there is no number of it to set.
Labels can't be set, as network policies go by them; security contexts, volumes and variables can't, as they are what
keeps pods apart.
"""

from typing import Any

from shopkart_pipeline.adapters.kubernetes.chart_markup import Markup
from shopkart_pipeline.adapters.kubernetes.chart_values import (
    ANNOTATIONS,
    COUNT,
    NODES,
    RESOURCES,
    TOLERATIONS,
    ChartValue,
)
from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.pipeline_network import COMPONENT
from shopkart_pipeline.adapters.kubernetes.pipeline_processes import FINGERPRINT

_THEIR_NAMES = {
    "daemon": "dagsterDaemon",
    "webserver": "dagsterWebserver",
    "auditors": "readOnlyDagsterWebserver",
}
"""What Dagster's chart calls a process; what it does not have is called as here."""
FINGERPRINT_TEMPLATE = "shopkart.fingerprint"


def mark_objects(marks: Markup, objects: list[Manifest]) -> None:
    """Put marks into Deployments and ServiceAccounts."""
    accounts = marks.optional(
        ChartValue(
            "serviceAccount.annotations",
            {},
            ANNOTATIONS,
            "Annotations of every account; none that gives it a role: roles are associated by name (EKS Pod Identity).",
        )
    )
    for each in objects:
        match each["kind"]:
            case "Deployment":
                _mark_deployment(marks, each)
            case "ServiceAccount":
                each["metadata"]["annotations"] = accounts
            case _:
                pass


def component_of(deployment: Manifest) -> str:
    """Name of the process that a Deployment keeps running."""
    return str(deployment["spec"]["selector"]["matchLabels"][COMPONENT])


def _mark_deployment(marks: Markup, deployment: Manifest) -> None:
    component = component_of(deployment)
    first, *others = component.split("-")
    name = _THEIR_NAMES.get(component, first + "".join(each.capitalize() for each in others))
    spec: dict[str, Any] = deployment["spec"]
    pod, described = spec["template"]["spec"], spec["template"]["metadata"]
    if spec["replicas"] > 1:
        said = ChartValue(f"{name}.replicaCount", spec["replicas"], COUNT, f"Pods of the {component}.")
        spec["replicas"] = marks.value(said)
    [container] = pod["containers"]
    said = ChartValue(f"{name}.resources", container["resources"], RESOURCES, "What each may use.")
    container["resources"] = marks.value(said)
    said = ChartValue(f"{name}.nodeSelector", pod.get("nodeSelector", {}), NODES, "Labels of nodes that it may be on.")
    pod["nodeSelector"] = marks.optional(said)
    said = ChartValue(f"{name}.tolerations", pod.get("tolerations", []), TOLERATIONS, "Taints of nodes it may be on.")
    pod["tolerations"] = marks.optional(said)
    said = ChartValue(f"{name}.annotations", {}, ANNOTATIONS, "More annotations of its pods.")
    described["annotations"] = {
        **described.get("annotations", {}),
        FINGERPRINT: marks.expression(f'include "{FINGERPRINT_TEMPLATE}" .'),
        marks.more(said): None,
    }
