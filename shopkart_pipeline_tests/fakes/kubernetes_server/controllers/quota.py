"""ResourceQuotas: how much of the pods they allow is used."""

from shopkart_pipeline_tests.fakes.kubernetes_server.resources import POD, QUOTA
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld


def reconcile(world: KubernetesWorld) -> None:
    for quota in world.store.all(QUOTA):
        hard = quota.get("spec", {}).get("hard", {})
        pods = world.store.all(POD, quota["metadata"]["namespace"])
        used = sum(pod["status"]["phase"] not in ("Failed", "Succeeded") for pod in pods)
        changed = copied(quota)
        changed["status"] = {"hard": hard, "used": {"pods": str(used)} if "pods" in hard else {}}
        world.store.update(QUOTA, changed)
