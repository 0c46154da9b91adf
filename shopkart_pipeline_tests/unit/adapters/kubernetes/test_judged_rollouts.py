"""A canary on Kubernetes is judged by what Prometheus counts, and its logs are read before it leaves."""

import json
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters.kubernetes.logs import LIMIT_BYTES, KubernetesLogs
from shopkart_pipeline.adapters.kubernetes.names import Surroundings
from shopkart_pipeline.adapters.prometheus import PrometheusMetrics
from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.rollout import Action, RolloutPhase, RolloutPlan, RolloutStep, begin
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogsMissing
from shopkart_pipeline.services.advance_rollout import advance
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import RolloutDocument
from shopkart_pipeline_tests.contract.cluster_worlds import a_service, a_spec
from shopkart_pipeline_tests.contract.kubernetes_worlds import EmulatedWorld, an_emulated_world
from shopkart_pipeline_tests.fakes.kubernetes_server import Behaviour
from shopkart_pipeline_tests.fakes.prometheus_server import FakePrometheus, running_fake_prometheus

PRODUCTION = "production"
_DEADLINE_SECONDS = 60.0
_DEPLOYMENT = Deployment(
    PRODUCTION,
    replicas=2,
    steps=(RolloutStep(50, 6.0),),
    deadline_seconds=_DEADLINE_SECONDS,
    analysis=Analysis(),
    objectives=(),
    approvals=None,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmulatedWorld]:
    with an_emulated_world(tmp_path_factory.mktemp("kubernetes")) as emulated:
        yield emulated


@pytest.fixture
def prometheus(world: EmulatedWorld) -> FakePrometheus:
    return FakePrometheus(world.world)


@pytest.fixture
def site(world: EmulatedWorld, prometheus: FakePrometheus) -> Generator[Site]:
    with running_fake_prometheus(prometheus) as address:
        metrics = PrometheusMetrics(PrometheusSource(address), ServerAccess(), timedelta(seconds=1))
        with closing(metrics):
            yield Site(world.cluster, metrics, KubernetesLogs(world.api, world.world.clock, Surroundings()))


def rolled_out(world: EmulatedWorld, site: Site, service: str, version: str) -> tuple[RolloutDocument, str]:
    """Roll a version out beside the one that runs, until the end; gives its digest too."""
    clock, digest = world.world.clock, world.publish(service, version)
    stable = world.cluster.observe(PRODUCTION, service).stable
    assert stable is not None
    wanted = replace(a_spec(digest), release_key=version)
    plan = RolloutPlan(version, digest, stable.spec.digest, "v1", _DEPLOYMENT.steps, _DEADLINE_SECONDS)
    document, give_up = (
        RolloutDocument(begin(plan, clock.now()), wanted, stable.spec, clock.now()),
        time.monotonic() + 60,
    )
    while time.monotonic() < give_up:
        try:
            decision, _, document = advance(site, _DEPLOYMENT, service, document, clock.now())
        except ToolUnavailable:
            decision = None  # It gets there by itself.
        if decision is not None and decision.action is Action.FINISH:
            return document, digest
        clock.sleep(0.5)
    raise AssertionError(document.state)


def test_a_good_canary_passes_by_what_prometheus_counts(world: EmulatedWorld, site: Site) -> None:
    service = a_service()
    world.deployed(service)

    document, _ = rolled_out(world, site, service, "v2")

    assert document.state.phase is RolloutPhase.RELEASED, document.state.reason
    assert document.looks[-1].canary.requests >= Analysis().minimum_canary_requests
    assert document.looks[-1].canary.errors == 0


def test_a_bad_canary_is_turned_back_and_what_it_logged_is_kept(
    world: EmulatedWorld, site: Site, prometheus: FakePrometheus
) -> None:
    service = a_service()
    world.deployed(service)
    bad = world.publish(service, "v2")
    prometheus.error_ratios[bad] = 0.4

    def log(digest: str, at: datetime) -> None:
        line = {"time": at.isoformat(), "level": "error", "message": "no such cart", "signature": "KeyError@cart"}
        world.world.behave(Behaviour(log=f"starting\n{json.dumps(line)}\n"), image=digest)

    prometheus.on_errors = log
    document, _ = rolled_out(world, site, service, "v2")

    assert document.state.phase is RolloutPhase.ROLLED_BACK
    assert "canary requests failed" in document.state.reason
    assert document.last_words is not None
    [signature] = document.last_words
    assert (signature.signature, signature.release_key, signature.example) == ("KeyError@cart", "v2", "no such cart")
    gone = site.logs.errors(PRODUCTION, service, document.started_at, world.now(), 10)
    assert gone == (), "the pods that are there now have logged no error"


def test_a_silent_prometheus_ends_in_a_rollback_with_the_reason(
    world: EmulatedWorld, site: Site, prometheus: FakePrometheus
) -> None:
    service = a_service()
    world.deployed(service)
    prometheus.silent = True

    document, _ = rolled_out(world, site, service, "v2")

    assert document.state.phase is RolloutPhase.ROLLED_BACK
    assert "no verdict on the canary in time" in document.state.reason


def test_logs_tell_the_track_the_release_and_an_uncaught_exception(world: EmulatedWorld, site: Site) -> None:
    service, since = a_service(), world.now()
    digest = world.publish(service, "v1")
    log = 'Traceback (most recent call last):\n  File "x.py"\nValueError: card 4111\n' + '{"a":' * 50_000 + "\n"
    world.world.behave(Behaviour(log=log), image=digest)
    spec = a_spec(digest, replicas=1)
    world.cluster.apply(PRODUCTION, service, Track.STABLE, spec)
    world.until(PRODUCTION, service, lambda status: status.stable is not None and status.stable.complete)

    lines = site.logs.errors(PRODUCTION, service, since - timedelta(seconds=1), world.now(), 10)

    assert not isinstance(lines, LogsMissing)
    [line] = lines
    assert (line.track, line.release_key, line.signature) == (Track.STABLE, spec.release_key, "ValueError")
    assert line.message == "uncaught exception ValueError"
    assert line.replica.startswith(f"{service}-")
    found = site.logs.search(
        PRODUCTION, service, since - timedelta(seconds=1), world.now(), text="VALUEerror", limit=10
    )
    assert found == (line,)
    assert site.logs.errors(PRODUCTION, service, world.now(), world.now(), 10) == ()


def test_logs_that_are_too_long_or_not_there_are_missing(world: EmulatedWorld, site: Site) -> None:
    service, now = a_service(), world.now()
    nobody = site.logs.errors(PRODUCTION, service, now, now, 10)
    assert isinstance(nobody, LogsMissing)
    assert f"{service} has no pods in {PRODUCTION}" in nobody.reason

    digest = world.deployed(service, replicas=1)
    world.world.behave(Behaviour(log="GET /\n" * (LIMIT_BYTES // 6 + 1)), image=digest)
    long = site.logs.errors(PRODUCTION, service, now, world.now(), 10)
    assert isinstance(long, LogsMissing)
    assert f"is longer than {LIMIT_BYTES} bytes" in long.reason
