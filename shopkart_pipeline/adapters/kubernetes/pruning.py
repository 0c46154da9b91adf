"""Removing configuration that nothing refers to any more; last, when what is running and what a rollback would need is
settled."""

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.documents import name_of, parts, text
from shopkart_pipeline.adapters.kubernetes.kinds import CONFIG_MAP
from shopkart_pipeline.adapters.kubernetes.looking import labels_of
from shopkart_pipeline.adapters.kubernetes.names import Place
from shopkart_pipeline.adapters.kubernetes.observe import Look


def prune(api: KubernetesApi, place: Place, look: Look) -> None:
    """Remove a service's ConfigMaps that no ReplicaSet, not even one that is kept for a rollback, refers to."""
    used = {
        text(source, "configMapRef", "name")
        for owner in (*look.replica_sets, *look.deployments.values())
        for container in parts(owner, "spec", "template", "spec", "containers")
        for source in parts(container, "envFrom")
        if "configMapRef" in source
    }
    for each in api.list(CONFIG_MAP, place.namespace, labels_of(place)):
        name = name_of(each)
        if name.startswith(f"{place.service}-config-") and each.get("immutable") and name not in used:
            api.delete(CONFIG_MAP, place.namespace, name)
