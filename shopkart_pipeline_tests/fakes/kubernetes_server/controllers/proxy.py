"""What the proxies of services know: the ready endpoints, a moment later; terminating ones that still serve where none
is ready, as kube-proxy does."""

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import ENDPOINT_SLICE
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld


def reconcile(world: KubernetesWorld) -> None:
    proxied: dict[tuple[str, str], list[str]] = world.memory.setdefault("proxied", {})
    due = world.memory.setdefault("proxies due", {})
    wanted = {
        (each["metadata"]["namespace"], each["metadata"]["labels"]["kubernetes.io/service-name"]): _targets(each)
        for each in world.store.all(ENDPOINT_SLICE)
    }
    for key in set(proxied) | set(wanted):
        if proxied.get(key, []) == wanted.get(key, []):
            due.pop(key, None)
            continue
        # Each state reaches the proxies after the lag, also while it changes again.
        since, _ = due.setdefault(key, (world.now(), wanted.get(key, [])))
        if (world.now() - since).total_seconds() >= world.pace.proxy_lag:
            _, proxied[key] = due.pop(key)


def _targets(sliced: Document) -> list[str]:
    numbers = [each["port"] for each in sliced["ports"] or []]
    endpoints = sliced["endpoints"] or []
    usable = [each for each in endpoints if each["conditions"]["ready"]]
    usable = usable or [each for each in endpoints if each["conditions"]["serving"]]
    return [f"{each['addresses'][0]}:{numbers[0]}" for each in usable if numbers]
