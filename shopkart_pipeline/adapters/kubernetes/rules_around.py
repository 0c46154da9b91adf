"""Rules that several objects keep together: budgets, network policies, configuration, the way of requests."""

import re
from collections.abc import Iterator

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters.kubernetes.located import Node
from shopkart_pipeline.adapters.kubernetes.rules import (
    Checked,
    autoscaler_of,
    containers_of,
    labels_of,
    named,
    pod_of,
    says,
    selects,
)
from shopkart_pipeline.adapters.kubernetes.rules_pod import pre_stop_seconds
from shopkart_pipeline.domain.evidence import Severity

_HIGH, _MEDIUM = Severity.HIGH, Severity.MEDIUM
_ALB = "alb.ingress.kubernetes.io"
_DELAY = re.compile(r"deregistration_delay\.timeout_seconds=(\d+)")
_ALB_DEFAULT_DELAY_SECONDS = 300


def around_rules(checked: Checked) -> Iterator[Located]:
    """What is wrong with what stands around Deployments."""
    for deployment in checked.of_kind("Deployment"):
        yield from _budgets(checked, deployment)
        yield from _policies(checked, deployment)
        yield from _configuration(checked, deployment)
    for secret in checked.of_kind("Secret"):
        if secret.entries("data") or secret.entries("stringData"):
            message = f"{named(secret)} has its values in the repository; take them out, and change them"
            yield says("secret-in-repository", _HIGH, secret.nearest("data"), message)
    for ingress in checked.of_kind("Ingress"):
        yield from _ingress(checked, ingress)


def _budgets(checked: Checked, deployment: Node) -> Iterator[Located]:
    labels = labels_of(deployment)
    budgets = [each for each in checked.of_kind("PodDisruptionBudget") if selects(each.get("spec", "selector"), labels)]
    if not budgets:
        message = f"a node that is drained may end all of {named(deployment)}; write a PodDisruptionBudget for its pods"
        yield says("no-pdb", _HIGH, deployment, message)
    for budget in budgets:
        yield from _budget(checked, deployment, budget)


def _budget(checked: Checked, deployment: Node, budget: Node) -> Iterator[Located]:
    scaler, replicas = autoscaler_of(checked, deployment), deployment.value("spec", "replicas")
    fewest = scaler.value("spec", "minReplicas") if scaler is not None else replicas
    number = fewest if isinstance(fewest, int) else 1
    place, unavailable = budget.nearest("spec"), budget.value("spec", "maxUnavailable")
    available = budget.value("spec", "minAvailable")
    advice = "write `maxUnavailable: 1` alone"
    if unavailable in ("0", "0%", 0) or available == "100%" or (isinstance(available, int) and available >= number):
        message = f"{named(budget)} lets nobody drain a node, with {number} replicas; {advice}"
        yield says("pdb-blocks-drains", _HIGH, place.nearest("maxUnavailable", "minAvailable"), message)
    lax = isinstance(unavailable, int) and unavailable >= max(number, 2)
    if unavailable == "100%" or lax or available in ("0", "0%", 0):
        message = f"{named(budget)} protects nothing, with {number} replicas; {advice}"
        yield says("pdb-protects-nothing", _HIGH, place.nearest("maxUnavailable", "minAvailable"), message)


def _policies(checked: Checked, deployment: Node) -> Iterator[Located]:
    labels = labels_of(deployment)
    for policy in checked.of_kind("NetworkPolicy"):
        selector = policy.get("spec", "podSelector")
        if selector is not None and selects(selector, labels):
            return
    message = f"every pod of the cluster reaches {named(deployment)}; write a NetworkPolicy for its pods"
    yield says("no-network-policy", _MEDIUM, deployment, message)


def _configuration(checked: Checked, deployment: Node) -> Iterator[Located]:
    """A configuration that changes in place reaches replicas one by one, and no rollback brings it back."""
    referred = [each.get("configMapRef") for one in containers_of(deployment) for each in one.items("envFrom")]
    referred += [
        one.get("valueFrom", "configMapKeyRef") for each in containers_of(deployment) for one in each.items("env")
    ]
    referred += [volume.get("configMap") for volume in pod_of(deployment).items("volumes")]
    names = {str(each.value("name")) for each in referred if each is not None}
    for configuration in checked.of_kind("ConfigMap"):
        if configuration.text("metadata", "name") in names and configuration.value("immutable") is not True:
            message = (
                f"{named(configuration)} changes under running replicas, and no rollback brings it back; "
                "name it after its content, and write `immutable: true`"
            )
            yield says("mutable-configuration", _MEDIUM, configuration.nearest("immutable"), message)


def _ingress(checked: Checked, ingress: Node) -> Iterator[Located]:
    annotations = ingress.entries("metadata", "annotations")
    said = annotations.get("kubernetes.io/ingress.class")
    kind = ingress.text("spec", "ingressClassName") or (str(said.content) if said is not None else "")
    if kind == "nginx":
        place = ingress.nearest("spec", "ingressClassName")
        yield says("ingress-nginx", _MEDIUM, place, "ingress-nginx is retired; write an HTTPRoute of a Gateway instead")
    if kind != "alb":
        return
    place = ingress.nearest("metadata", "annotations")
    if ingress.text("metadata", "annotations", f"{_ALB}/target-type") != "ip":
        message = f"requests go to nodes, and on to pods that have ended; write `{_ALB}/target-type: ip`"
        yield says("alb-target-type", _HIGH, place.nearest(f"{_ALB}/target-type"), message)
    attributes = f"{_ALB}/target-group-attributes"
    found = _DELAY.search(ingress.text("metadata", "annotations", attributes))
    delay_seconds = int(found[1]) if found else _ALB_DEFAULT_DELAY_SECONDS
    waits = [
        pre_stop_seconds(container) or 0
        for deployment in checked.of_kind("Deployment")
        for container in containers_of(deployment)
        if container.items("ports")
    ]
    if waits and delay_seconds >= min(waits):
        message = (
            f"the balancer goes on for {delay_seconds} s, and a pod that was told to end for {min(waits)} s; "
            "write a `deregistration_delay.timeout_seconds` below `preStop`"
        )
        yield says("alb-deregistration-delay", _MEDIUM, place.nearest(attributes), message)
