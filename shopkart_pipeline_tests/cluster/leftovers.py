"""Removing what checks made on a real cluster: their own at their end, and what a killed run left, when it is old.

A namespace may hold other things and the objects of a run at the same time, so everything is told by its labels and the
form of its name, and what another run made is only taken when it is older than any run gets.
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.kinds import (
    AUTOSCALER,
    BUDGET,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    LEASE,
    POD,
    SERVICE,
    Kind,
)
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline_tests.contract.cluster_worlds import A_SERVICE

_KINDS = (
    AUTOSCALER,
    DEPLOYMENT,
    JOB,
    BUDGET,
    SERVICE,
    CONFIG_MAP,
    LEASE,
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    POD,
)
_MANAGED = "app.kubernetes.io/managed-by=shopkart"
_OLD = timedelta(hours=6)
_GONE_SECONDS = 120.0
AN_ENVIRONMENT = re.compile(r"check-[0-9a-f]{6}")
"""How the scenarios name their environments."""
Chosen = Callable[[str, str], bool]
"""Whether to remove what belongs to an environment and a service."""


def remove(api: KubernetesApi, namespace: str, chosen: Chosen, until: datetime | None = None) -> None:
    """Remove objects, and wait until their pods are gone.

    Args:
        api: the cluster's.
        namespace: where they are.
        chosen: which ones.
        until: only those made before.

    Raises:
        AssertionError: something is still there.
    """
    left: list[str] = []
    for kind in _KINDS:
        try:
            for each in _found(api, kind, namespace, chosen, until):
                api.delete(kind, namespace, each["metadata"]["name"])
        except PipelineError as error:
            left.append(f"{kind.plural}: {error}")
    deadline = time.monotonic() + _GONE_SECONDS
    while not left and _found(api, POD, namespace, chosen, until):
        assert time.monotonic() < deadline, "pods of the checks are still there"
        time.sleep(1.0)
    assert not left, f"could not be removed: {'; '.join(left)}"


def sweep(api: KubernetesApi, namespace: str) -> None:
    """Remove what killed runs left."""
    remove(api, namespace, is_of_any_run, datetime.now(UTC) - _OLD)


def is_of_contract(environment: str, service: str) -> bool:
    """Whether it belongs to the contract suite, of whichever run."""
    return environment in ("production", "staging") and A_SERVICE.fullmatch(service) is not None


def is_of_any_run(environment: str, service: str) -> bool:
    """Whether it belongs to these checks at all."""
    return bool(AN_ENVIRONMENT.fullmatch(environment) or is_of_contract(environment, service))


def _found(
    api: KubernetesApi, kind: Kind, namespace: str, chosen: Chosen, until: datetime | None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in api.list(kind, namespace, _MANAGED):
        labels = each["metadata"]["labels"]
        made = datetime.fromisoformat(each["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
        environment, service = labels.get("app.kubernetes.io/instance", ""), labels.get("app.kubernetes.io/name", "")
        if chosen(environment, service) and (until is None or made < until):
            found.append(each)
    return found
