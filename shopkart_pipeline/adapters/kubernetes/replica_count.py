"""Whose the number of stable's replicas is.

With an autoscaler it is the autoscaler's, and the pipeline applies no number. A field that nobody owns any more falls
back to its default, which is one replica, so before the pipeline gives the field up it hands the live value over to a
field manager that holds nothing else. The autoscaler takes it from there with its first decision.

Source: Kubernetes, "Server-Side Apply: Transferring ownership".
"""

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.documents import name_of, part, parts
from shopkart_pipeline.adapters.kubernetes.kinds import DEPLOYMENT
from shopkart_pipeline.adapters.kubernetes.names import FIELD_MANAGER, Manifest
from shopkart_pipeline.domain.errors import Conflict

_REPLICAS_MANAGER = f"{FIELD_MANAGER}-replicas"


def leave_to_autoscaler(api: KubernetesApi, manifest: Manifest, begin_with: int, live: Manifest | None) -> None:
    """Prepare a Deployment without a number of replicas to be applied.

    Args:
        api: the cluster's.
        manifest: the Deployment; gets a number where it is new.
        begin_with: that number.
        live: what is there now.
    """
    if live is None:
        manifest["spec"]["replicas"] = begin_with
    elif _owns_replicas(live):
        described = {"name": name_of(manifest), "namespace": manifest["metadata"]["namespace"]}
        only = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "metadata": described}
        try:
            api.apply({**only, "spec": {"replicas": live["spec"]["replicas"]}}, _REPLICAS_MANAGER)
        except Conflict:
            return  # The autoscaler has taken it since.


def _owns_replicas(deployment: Manifest) -> bool:
    """Whether the number of replicas is among the fields that the pipeline applies."""
    return any(
        each.get("manager") == FIELD_MANAGER
        and each.get("operation") == "Apply"
        and "f:replicas" in part(each, "fieldsV1", "f:spec")
        for each in parts(deployment, "metadata", "managedFields")
    )
