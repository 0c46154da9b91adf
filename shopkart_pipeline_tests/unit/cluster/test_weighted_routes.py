"""Canaries by weight, under load, on the emulated cluster: no request fails, and each version gets its share.

Real clusters are not asked for a gateway or a load balancer, so these run on the emulated one alone.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from shopkart_pipeline.domain.pod import Route, RouteKind
from shopkart_pipeline.domain.rollout import Action, RolloutPhase, RolloutStep
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.cluster.beds import EmulatedBed, an_emulated_bed
from shopkart_pipeline_tests.cluster.driving import Worker
from shopkart_pipeline_tests.contract.cluster_worlds import a_service
from shopkart_pipeline_tests.fakes.kubernetes_server.network import Load, load_on

STEPS = (RolloutStep(10, 1.0), RolloutStep(50, 1.0), RolloutStep(100, 1.0))
PER_SECOND, ANSWERS = 150.0, 100
ROUTES = [Route(RouteKind.GATEWAY, gateway="edge", host="shop.example"), Route(RouteKind.ALB)]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmulatedBed]:
    with an_emulated_bed(tmp_path_factory.mktemp("bed")) as emulated:
        yield emulated


def a_worker(bed: EmulatedBed, route: Route) -> Worker:
    """A worker of a service whose first version runs behind a route."""
    worker = Worker(bed, a_service(), route=route, steps=STEPS)
    worker.release(bed.publish(f"{worker.service}-1"))
    return worker


@contextmanager
def requests(bed: EmulatedBed, worker: Worker) -> Generator[Load]:
    """Send requests to the route meanwhile; none may fail."""
    kind = worker.route.kind
    of_route = bed.network.gateway if kind is RouteKind.GATEWAY else bed.network.load_balancer
    bed.until(lambda: bed.network.known_endpoints(bed.namespace, worker.service) > 0, "endpoints")
    with load_on(bed.network, of_route(bed.namespace, worker.service), PER_SECOND) as load:
        yield load
    assert load.failures == []


def of_the_next_answers(bed: EmulatedBed, load: Load, digest: str) -> float:
    """The share that a version has in the next answers."""

    def counts() -> tuple[int, int]:
        answers = dict(load.images)
        return sum(number for image, number in answers.items() if image.endswith(digest)), sum(answers.values())

    its, all_before = counts()
    bed.until(lambda: counts()[1] >= all_before + ANSWERS, "so many answers")
    its_now, all_now = counts()
    return (its_now - its) / (all_now - all_before)


@pytest.mark.parametrize(
    "route",
    [ROUTES[0], pytest.param(ROUTES[1], marks=pytest.mark.thorough)],
    ids=[route.kind.value for route in ROUTES],
)
def test_each_version_gets_its_share_up_to_100_percent_and_on_the_way_back_and_no_request_fails(
    bed: EmulatedBed, route: Route
) -> None:
    worker = a_worker(bed, route)
    old, digest = worker.cluster.observe(bed.environment, worker.service).stable, bed.publish(f"{worker.service}-2")
    shares: list[float] = []

    def watch(document: Any, action: Action) -> None:
        if (document.state.phase, action) == (RolloutPhase.BAKING, Action.SET_WEIGHT):
            shares.append(of_the_next_answers(bed, load, digest))

    assert old is not None
    with requests(bed, worker) as load:
        worker.release(digest, watch=watch)
        worker.cluster.set_weight(bed.environment, worker.service, 0)
        worker.cluster.apply(bed.environment, worker.service, Track.STABLE, old.spec)
        bed.until(lambda: worker.runs(old.spec.digest), "the version before")
        assert of_the_next_answers(bed, load, digest) < 0.05

    assert 0 < shares[0] <= 0.25  # Five standard deviations of a hundred answers.
    assert shares[1] == pytest.approx(0.5, abs=0.25)
    assert shares[2] > 0.95


def test_an_abort_at_50_percent_takes_all_traffic_back_and_no_request_fails(bed: EmulatedBed) -> None:
    worker = a_worker(bed, ROUTES[0])
    old, digest = worker.cluster.observe(bed.environment, worker.service).stable, bed.publish(f"{worker.service}-2")

    def watch(document: Any, action: Action) -> None:
        worker.metrics.bad |= (document.state.phase, document.state.step_index) == (RolloutPhase.BAKING, 1)

    assert old is not None
    with requests(bed, worker) as load:
        document = worker.drive(worker.begin(digest), watch)
        assert len(load.images) == 2
        assert of_the_next_answers(bed, load, digest) < 0.05

    assert document.state.phase is RolloutPhase.ROLLED_BACK
    assert worker.runs(old.spec.digest)
