"""Rules of a rolling update: no replica leaves before another one serves, and a stuck one is found out."""

from collections.abc import Iterator

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters.kubernetes.located import Node, Scalar
from shopkart_pipeline.adapters.kubernetes.rules import Checked, autoscaler_of, named, pod_of, says
from shopkart_pipeline.domain.evidence import Severity

_HIGH, _MEDIUM = Severity.HIGH, Severity.MEDIUM
_SHORTEST_READY_SECONDS = 10
_LONGEST_PROGRESS_SECONDS = 600
_FEWEST_REPLICAS = 2


def rollout_rules(checked: Checked) -> Iterator[Located]:
    """What is wrong with how Deployments are updated."""
    for deployment in checked.of_kind("Deployment"):
        yield from _strategy(deployment)
        yield from _pace(deployment)
        yield from _replicas(checked, deployment)
        yield from _spread(deployment)


def _strategy(deployment: Node) -> Iterator[Located]:
    place = deployment.nearest("spec", "strategy")
    if deployment.text("spec", "strategy", "type") == "Recreate":
        message = "all replicas are ended before a new one starts; write `type: RollingUpdate`"
        yield says("recreate", _HIGH, place.nearest("type"), message)
        return
    rolling = place.nearest("rollingUpdate")
    if not _is_nothing(deployment.value("spec", "strategy", "rollingUpdate", "maxUnavailable")):
        message = f"an update of {named(deployment)} may take replicas away first; write `maxUnavailable: 0`"
        yield says("max-unavailable", _HIGH, rolling.nearest("maxUnavailable"), message)
    surge = deployment.value("spec", "strategy", "rollingUpdate", "maxSurge")
    if surge is not None and _is_nothing(surge):
        yield says("max-surge", _HIGH, rolling.nearest("maxSurge"), "no replica may be added; write `maxSurge: 25%`")


def _is_nothing(value: Scalar) -> bool:
    return value in (0, "0", "0%") and value is not False


def _pace(deployment: Node) -> Iterator[Located]:
    ready, progress = (deployment.value("spec", key) for key in ("minReadySeconds", "progressDeadlineSeconds"))
    if not isinstance(ready, int) or ready < _SHORTEST_READY_SECONDS:
        message = "a replica that fails after its first second counts as updated; write `minReadySeconds: 10`"
        yield says("min-ready-seconds", _MEDIUM, deployment.nearest("spec", "minReadySeconds"), message)
    if not isinstance(progress, int) or progress >= _LONGEST_PROGRESS_SECONDS:
        message = "an update that is stuck is found out after ten minutes; write `progressDeadlineSeconds: 120`"
        yield says("progress-deadline", _MEDIUM, deployment.nearest("spec", "progressDeadlineSeconds"), message)


def _replicas(checked: Checked, deployment: Node) -> Iterator[Located]:
    scaler, replicas = autoscaler_of(checked, deployment), deployment.value("spec", "replicas")
    if scaler is not None and replicas is not None:
        message = f"{named(scaler)} sets the number of replicas as well, and they fight; take `replicas` away"
        yield says("replicas-and-autoscaler", _MEDIUM, deployment.nearest("spec", "replicas"), message)
    if not checked.wants_spare:
        return
    if scaler is not None:
        minimum = scaler.value("spec", "minReplicas")
        if not isinstance(minimum, int) or minimum < _FEWEST_REPLICAS:
            message = "one replica is no spare for another; write `minReplicas: 2`, or more"
            yield says("autoscaler-minimum", _HIGH, scaler.nearest("spec", "minReplicas"), message)
    elif not isinstance(replicas, int) or replicas < _FEWEST_REPLICAS:
        message = f"{named(deployment)} has no spare replica; write `replicas: 2`, or more"
        yield says("single-replica", _HIGH, deployment.nearest("spec", "replicas"), message)


def _spread(deployment: Node) -> Iterator[Located]:
    pod = pod_of(deployment)
    constraints = pod.items("topologySpreadConstraints")
    if not constraints and pod.get("affinity", "podAntiAffinity") is None:
        message = "all replicas may be on one node; write `topologySpreadConstraints`"
        yield says("no-topology-spread", _MEDIUM, pod.nearest("topologySpreadConstraints"), message)
    for constraint in constraints:
        if "pod-template-hash" not in [key.content for key in constraint.items("matchLabelKeys")]:
            message = "old replicas push new ones aside; write `matchLabelKeys: [pod-template-hash]`"
            yield says("spread-over-versions", _MEDIUM, constraint.nearest("matchLabelKeys"), message)
