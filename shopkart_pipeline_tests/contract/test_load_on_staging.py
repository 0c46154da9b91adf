"""Load on the embedded platform: real replicas behind its real load balancer, over HTTP, for a few seconds."""

from collections.abc import Generator
from dataclasses import replace

import pytest

from shopkart_pipeline.adapters.load_generator import LoadGenerator
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, ToolRun
from shopkart_pipeline.domain.load_test import LoadObjective, LoadRequest, LoadTest
from shopkart_pipeline.domain.verdict import GateResult, Outcome, evaluate_stage
from shopkart_pipeline.domain.vitals import PeakRate
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.services.run_load_test import run_load_test
from shopkart_pipeline.spec.compile_load_test import load_gates
from shopkart_pipeline_tests.contract.cluster_worlds import LocalWorld, a_local_world, a_spec, is_complete
from shopkart_pipeline_tests.fakes import world as in_memory

PEAK = 15.0
LIMITS = (LoadObjective("latency_p50_seconds", 0.5), LoadObjective("error_ratio", 0.01))


class Shop:
    """A backend in staging on a local cluster; all else of the pipeline is in memory."""

    def __init__(self, local: LocalWorld, memory: in_memory.World) -> None:
        self.local, self.memory = local, memory
        self.release = memory.merge()
        memory.run(self.release, Phase.CI)
        site = Site(local.cluster, local.metrics, local.logs, local.vitals)
        self.platform: Platform = replace(
            memory.platform,
            clock=local.clock,
            sites={in_memory.STAGING: site, in_memory.PRODUCTION: site},
            scanners={StageKind.LOAD_TEST: (LoadGenerator(local.clock),)},
        )
        self.image = ""

    def deploy(self, version: str, **behaviour: object) -> None:
        self.image = self.local.publish("backend", version, **behaviour)
        spec = a_spec(self.image, replicas=1)
        self.local.cluster.apply(in_memory.STAGING, "backend", Track.STABLE, spec)
        self.local.until(in_memory.STAGING, "backend", lambda status: is_complete(status.stable))

    def test(self, path: str = "/", *multiples: float) -> tuple[ToolRun, tuple[GateResult, ...]]:
        """Run the load test; returns what it left and how its gates came out."""
        load = LoadTest(multiples or (1.0,), 0.2, 1.0, (LoadRequest(path),), LIMITS, PEAK)
        stage = Stage("load_test", StageKind.LOAD_TEST, Phase.STAGING, ("staging",), timeout_seconds=60.0, load=load)
        self.memory.declare("backend", lambda service: replace(service, stages=(*in_memory.STAGES, stage)))
        platform = replace(self.platform, pipeline=self.memory.pipeline)
        run = run_load_test(platform, self.release, stage, self.image)
        return run, evaluate_stage("load_test", load_gates([stage], (), ()), run.result)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shop]:
    with a_local_world(tmp_path_factory.mktemp("cluster")) as local:
        shop = Shop(local, in_memory.World(tmp_path_factory.mktemp("memory")))
        shop.deploy("v1")
        yield shop


def failing(gates: tuple[GateResult, ...]) -> dict[str, tuple[float | None, float | None]]:
    return {each.gate: (each.value, each.limit) for each in gates if each.outcome is not Outcome.PASS}


def test_a_good_build_bears_multiples_of_the_peak(shop: Shop) -> None:
    began = shop.local.clock.now()
    shop.local.note(in_memory.STAGING, "backend")

    run, gates = shop.test("/", 1.0, 2.0)

    assert isinstance(run.result, Evidence), run.result
    assert failing(gates) == {}
    measures = run.result.measures
    assert (measures["x1_requests"], measures["x2_requests"]) == (15.0, 30.0)
    assert 0 < measures["x2_latency_p50_seconds"] <= measures["x2_latency_max_seconds"] < 2.0
    assert measures["highest_memory_usage_bytes"] > 1e6
    shop.local.note(in_memory.STAGING, "backend")
    seen = shop.local.vitals.peak_rate(in_memory.STAGING, "backend", began, shop.local.clock.now())
    assert isinstance(seen, PeakRate), seen
    assert 3.0 < seen.rate < 45.0, "the load on average, with what was waited before and after"


def test_a_slow_handler_is_blocked_with_how_slow_it_is(shop: Shop) -> None:
    run, gates = shop.test("/slow")

    assert isinstance(run.result, Evidence), run.result
    value, limit = failing(gates)["x1_latency_p50_seconds"]
    assert value is not None
    assert value >= 1.0
    assert limit == 0.5


def test_a_build_that_fails_under_load_is_blocked_with_how_often(shop: Shop) -> None:
    shop.deploy("v2", error_every=4)

    run, gates = shop.test()

    assert isinstance(run.result, Evidence), run.result
    value, limit = failing(gates)["x1_error_ratio"]
    assert (value, limit) == (pytest.approx(0.25, abs=0.08), 0.01)
