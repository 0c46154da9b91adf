"""What a look at a service counts, where the cluster's documents alone would mislead."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.kinds import DEPLOYMENT, POD, REPLICA_SET, Kind
from shopkart_pipeline.adapters.kubernetes.looking import Lookout
from shopkart_pipeline.adapters.kubernetes.names import Place
from shopkart_pipeline.adapters.kubernetes.observe import SPEC, dumped
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.cluster_worlds import a_spec
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLACE = Place("shop", "production", "web", "web@sha256:1")
_REVISION = {"deployment.kubernetes.io/revision": "2"}


class Listed:
    """An API that lists what it was given."""

    def __init__(self, **objects: Any) -> None:
        self.objects = objects

    def list(self, kind: Kind, namespace: str, labels: str = "", fields: str = "") -> Any:
        return self.objects.get(kind.plural, [])


def _pod(name: str, owner: str, ending: datetime | None = None) -> Any:
    metadata: dict[str, Any] = {"name": name, "labels": {"shopkart/track": "stable"}}
    metadata["ownerReferences"] = [{"uid": owner}]
    if ending is not None:
        metadata["deletionTimestamp"] = ending.strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "False" if ending else "True"}
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": [ready]}}


@pytest.mark.parametrize(("overdue_seconds", "complete"), [(-10, False), (59, False), (61, True)])
def test_a_replica_on_a_lost_node_does_not_keep_a_release_from_being_complete(
    overdue_seconds: int, complete: bool
) -> None:
    spec = a_spec("sha256:1", replicas=1)
    deployment = {
        "metadata": {"name": "web", "uid": "d", "generation": 2, "labels": {"shopkart/track": "stable"}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "web@sha256:1"}]}}},
        "status": {"observedGeneration": 2},
    }
    deployment["metadata"]["annotations"] = {SPEC: dumped(spec), **_REVISION}
    newest = {"metadata": {"uid": "r2", "annotations": _REVISION, "ownerReferences": [{"uid": "d"}]}}
    newest["status"] = {"availableReplicas": 1}
    pods = [_pod("web-2", "r2"), _pod("web-1", "r1", NOW - timedelta(seconds=overdue_seconds))]
    api = Listed(**{DEPLOYMENT.plural: [deployment], REPLICA_SET.plural: [newest], POD.plural: pods})
    lookout = Lookout(cast(KubernetesApi, api), FixedClock(NOW))
    status = lookout.status(PLACE, lookout.look(PLACE), Track.STABLE)
    assert status is not None
    assert status.complete is complete
