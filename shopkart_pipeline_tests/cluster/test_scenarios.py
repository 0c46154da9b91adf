"""No request fails while a service is changed in every way that the pipeline and the cluster's operators know."""

from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from shopkart_pipeline.adapters.kubernetes.kinds import AUTOSCALER
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.rollout import Action, RolloutPhase
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline_tests.cluster.beds import Bed, Counted
from shopkart_pipeline_tests.cluster.driving import Worker
from shopkart_pipeline_tests.contract.cluster_worlds import a_service

Record = Any


class _Killed(BaseException):
    """The worker's process is gone."""


@pytest.fixture
def record(request: pytest.FixtureRequest, record_property: Record) -> Record:
    """Keeps how many requests failed, for the summary, and fails where any did."""

    def keep(counted: Counted) -> None:
        record_property("requests", [counted.sent, len(counted.failures), counted.failures[:3]])
        assert counted.sent > max(20, counted.seconds)
        assert counted.failures == []

    return keep


@pytest.fixture
def worker(bed: Bed) -> Worker:
    """A worker of a service whose first version runs."""
    made = Worker(bed, a_service())
    made.release(bed.publish(f"{made.service}-1"))
    return made


def _new(worker: Worker) -> str:
    return worker.bed.publish(f"{worker.service}-2")


def test_rolling_update(worker: Worker, record: Record) -> None:
    with worker.bed.load(worker.service) as counted:
        worker.release(_new(worker), canary=False)
    record(counted)
    assert len(counted.versions) == 2


def test_canary_to_100_percent(worker: Worker, record: Record) -> None:
    weights: set[int] = set()

    def watch(document: object, action: Action) -> None:
        status = worker.cluster.observe(worker.bed.environment, worker.service)
        weights.add(status.canary_weight_percent)

    with worker.bed.load(worker.service) as counted:
        worker.release(_new(worker), watch=watch)
    record(counted)
    assert {0, 100} <= weights
    assert len(counted.versions) == 2


def test_abort_at_50_percent(worker: Worker, record: Record) -> None:
    old = worker.cluster.observe(worker.bed.environment, worker.service).stable
    assert old is not None

    def watch(document: Any, action: Action) -> None:
        worker.metrics.bad |= (document.state.phase, document.state.step_index) == (RolloutPhase.BAKING, 1)

    with worker.bed.load(worker.service) as counted:
        document = worker.drive(worker.begin(_new(worker)), watch)
    record(counted)
    assert document.state.phase is RolloutPhase.ROLLED_BACK
    assert "error" in document.state.reason
    assert worker.runs(old.spec.digest)


def test_rollback(worker: Worker, record: Record) -> None:
    environment, service = worker.bed.environment, worker.service
    old = worker.cluster.observe(environment, service).stable
    assert old is not None
    worker.release(_new(worker))
    with worker.bed.load(service) as counted:
        worker.cluster.set_weight(environment, service, 0)
        worker.cluster.apply(environment, service, Track.STABLE, old.spec)
        worker.bed.until(lambda: worker.runs(old.spec.digest))
    record(counted)


@pytest.mark.parametrize(
    "effect", ["apply", *(pytest.param(each, marks=pytest.mark.thorough) for each in ("set_weight", "save_rollout"))]
)
def test_worker_killed_mid_step(worker: Worker, record: Record, effect: str) -> None:
    """It dies after an effect and before it can save that; another one waits for its lease and brings it to its end."""
    digest, mortal = _new(worker), Worker(worker.bed, worker.service, holder="mortal")
    real = getattr(mortal.cluster, effect)
    calls = 0

    def deadly(*arguments: Any) -> None:
        nonlocal calls
        real(*arguments)
        calls += 1
        if calls == 2:
            raise _Killed

    document = mortal.begin(digest)
    mortal.cluster = copy(mortal.cluster)
    setattr(mortal.cluster, effect, deadly)
    with worker.bed.load(worker.service) as counted:
        with pytest.raises(_Killed):
            mortal.drive(document)
        heir = Worker(worker.bed, worker.service, holder="heir")
        document = heir.drive(heir.resume())
    record(counted)
    assert document.state.phase is RolloutPhase.RELEASED
    assert heir.runs(digest)


def test_superseding_release(worker: Worker, record: Record) -> None:
    """A newer release comes while another one bakes: that one goes back, and the newer one goes all the way."""
    environment, service = worker.bed.environment, worker.service
    other = Worker(worker.bed, service, holder="newer")

    def watch(document: Any, action: Action) -> None:
        if (document.state.phase, document.state.step_index) == (RolloutPhase.BAKING, 1):
            raise _Killed

    newest = worker.bed.publish(f"{service}-3")
    with worker.bed.load(service) as counted:
        with pytest.raises(_Killed):
            worker.drive(worker.begin(_new(worker)), watch)
        worker.cluster.release_lease(environment, service, worker.holder)
        ended = other.drive(other.turned_back(other.resume(), "superseded"))
        assert ended.state.phase is RolloutPhase.ROLLED_BACK
        other.release(newest)
    record(counted)


def test_node_drain(worker: Worker, record: Record, left_out: Record) -> None:
    """Every pod of the service is moved away, one after the other, as its disruption budget allows."""
    bed = worker.bed
    pods = bed.pods(worker.service)
    node, names = pods[0]["spec"]["nodeName"], [pod["metadata"]["name"] for pod in pods]
    stable = worker.cluster.observe(bed.environment, worker.service).stable
    assert stable is not None
    reason = bed.why_no_eviction()
    if reason is not None:
        left_out(f"as a whole, because {reason}")
        pytest.skip(reason)
    with bed.load(worker.service) as counted:
        not_cordoned = bed.why_not_cordoned(node)
        try:
            for name in names:
                bed.until(lambda name=name: bed.evict(name), f"the eviction of {name}")
                bed.until(lambda: worker.runs(stable.spec.digest), "as many replicas as before")
        finally:
            if not_cordoned is None:
                bed.uncordon(node)
    if not_cordoned is not None:
        left_out(f"to cordon the node, because {not_cordoned}; pods were evicted all the same")
    record(counted)
    assert not {pod["metadata"]["name"] for pod in bed.pods(worker.service)} & set(names)


def test_autoscaler_scales_during_a_rollout(bed: Bed, record: Record) -> None:
    """The number of replicas is the autoscaler's before, during and after a rollout, which does not fight it. It is
    moved by its bounds, which it keeps to without metrics too."""
    worker = Worker(bed, a_service(), autoscale=Autoscale(2, 6, 70))
    worker.release(bed.publish(f"{worker.service}-1"))
    digest = _new(worker)
    counts: list[int] = []

    def watch(document: Any, action: Action) -> None:
        state = document.state
        if not counts and (state.phase, state.step_index) == (RolloutPhase.BAKING, 0):
            bed.bound_autoscaler(worker.service, _between(worker, digest, 4, 6), only_up=True)
            counts.append(_replicas(worker))

    with bed.load(worker.service) as counted:
        worker.release(digest, watch=watch)
        counts.append(_replicas(worker))
        bed.bound_autoscaler(worker.service, _between(worker, digest, 2, 3))
        bed.until(lambda: worker.runs(digest), "fewer replicas")
    record(counted)
    scaler = bed.api.get(AUTOSCALER, bed.namespace, worker.service)
    assert scaler is not None
    assert counts[0] >= 4
    assert counts[1] >= (2 if scaler["status"].get("currentMetrics") else 4)  # With metrics it may have gone on.
    assert _replicas(worker) in (2, 3)


def _between(worker: Worker, digest: str, minimum: int, maximum: int) -> WorkloadSpec:
    return replace(worker.spec(digest), autoscale=Autoscale(minimum, maximum, 70))


def _replicas(worker: Worker) -> int:
    stable = worker.cluster.observe(worker.bed.environment, worker.service).stable
    assert stable is not None
    return stable.spec.replicas
