"""Load on the embedded platform: the storefront's frontend as a real replica behind the real load balancer, over HTTP.

Its backend is a small server here, which a test may slow down; a bad build is the frontend with a change in it.
"""

import io
import json
import sysconfig
import tarfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path

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
from shopkart_pipeline_tests.fakes.fake_builder import write_image
from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

STOREFRONT = Path(__file__).parents[2] / "examples" / "storefront"
PEAK = 15.0
LIMITS = (LoadObjective("latency_p50_seconds", 0.5), LoadObjective("error_ratio", 0.01))
HOME_PAGE = '        return self.views.page("home.html"'
SLOW_HOME_PAGE = f"        import asyncio\n\n        await asyncio.sleep(0.8)\n{HOME_PAGE}"
MUG = {"sku": "mug", "name": "Mug", "description": "Holds tea.", "price_cents": 900}


class Backend(JsonHandler):
    """Has one product, takes its time, and fails every n-th time."""

    fails_every, takes_seconds = 0, 0.0
    answered = count(1)

    def do_GET(self) -> None:
        fails = self.path == "/catalogue" and self.fails_every and next(self.answered) % self.fails_every == 0
        time.sleep(self.takes_seconds)
        self.answer(503 if fails else 200, json.dumps({"products": [MUG]}).encode())


class Frontend:
    """The frontend in staging on a local cluster; all else of the pipeline is in memory."""

    def __init__(self, local: LocalWorld, memory: in_memory.World, backend: str) -> None:
        self.local, self._memory, self._backend = local, memory, backend
        key = memory.merge({"servicekit/shell.py": "# shared by both services\n"}).key
        self.release = memory.evidence.release("frontend", key)
        memory.run(self.release, Phase.CI)
        site = Site(local.cluster, local.metrics, local.logs, local.vitals)
        self._platform: Platform = replace(
            memory.platform,
            clock=local.clock,
            sites={in_memory.STAGING: site, in_memory.PRODUCTION: site},
            scanners={StageKind.LOAD_TEST: (LoadGenerator(local.clock),)},
        )
        self._image = ""

    def deploy(self, home_page: str = HOME_PAGE) -> None:
        layout = self.local.home / "layouts" / sha256(home_page.encode()).hexdigest()
        self._image, _ = write_image(layout, *_image(home_page))
        self.local.registry.push(layout, "frontend", layout.name)
        spec = replace(
            a_spec(self._image, replicas=1, BACKEND_URL=self._backend), command=("python", "-m", "storefront_frontend")
        )
        self.local.cluster.apply(in_memory.STAGING, "frontend", Track.STABLE, spec)
        self.local.until(in_memory.STAGING, "frontend", lambda status: is_complete(status.stable))

    def test(self, *multiples: float) -> tuple[ToolRun, tuple[GateResult, ...]]:
        """Run the load test; returns what it left and how its gates came out."""
        requests = (LoadRequest("/", weight=3), LoadRequest("/cart"))
        load = LoadTest(multiples or (1.0,), 0.2, 1.0, requests, LIMITS, PEAK)
        stage = Stage("load_test", StageKind.LOAD_TEST, Phase.STAGING, ("staging",), timeout_seconds=60.0, load=load)
        self._memory.declare("frontend", lambda service: replace(service, stages=(*in_memory.STAGES, stage)))
        platform = replace(self._platform, pipeline=self._memory.pipeline)
        run = run_load_test(platform, self.release, stage, self._image)
        return run, evaluate_stage("load_test", load_gates([stage], (), ()), run.result)


def _image(home_page: str) -> tuple[bytes, list[bytes]]:
    """The frontend without its dependencies: those are where these tests have theirs."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for package in (STOREFRONT / "frontend/src/storefront_frontend", STOREFRONT / "servicekit/src/servicekit"):
            for path in (each for each in package.rglob("*") if each.is_file() and each.suffix != ".pyc"):
                content = path.read_text().replace(HOME_PAGE, home_page).encode()
                entry = tarfile.TarInfo(f"app/app/{path.relative_to(package.parent)}")
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": [f"PYTHONPATH=/app/app:{sysconfig.get_path('purelib')}"],
            "WorkingDir": "/app",
            "Entrypoint": ["python"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer.getvalue()).hexdigest()}"]},
    }
    return json.dumps(config).encode(), [layer.getvalue()]


@pytest.fixture(scope="module")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Generator[Frontend]:
    with ExitStack() as stack:
        backend = stack.enter_context(served(Backend))
        local = stack.enter_context(a_local_world(tmp_path_factory.mktemp("cluster")))
        frontend = Frontend(local, in_memory.World(tmp_path_factory.mktemp("memory")), backend)
        frontend.deploy()
        yield frontend


def failing(gates: tuple[GateResult, ...]) -> dict[str, tuple[float | None, float | None]]:
    return {each.gate: (each.value, each.limit) for each in gates if each.outcome is not Outcome.PASS}


def test_a_good_build_bears_multiples_of_the_peak(frontend: Frontend) -> None:
    local, began = frontend.local, frontend.local.clock.now()
    local.note(in_memory.STAGING, "frontend")

    run, gates = frontend.test(1.0, 2.0)

    assert isinstance(run.result, Evidence), run.result
    assert failing(gates) == {}
    measures = run.result.measures
    assert (measures["x1_requests"], measures["x2_requests"]) == (15.0, 30.0)
    assert 0 < measures["x2_latency_p50_seconds"] <= measures["x2_latency_max_seconds"] < 2.0
    assert measures["highest_memory_usage_bytes"] > 1e6
    local.note(in_memory.STAGING, "frontend")
    seen = local.vitals.peak_rate(in_memory.STAGING, "frontend", began, local.clock.now())
    assert isinstance(seen, PeakRate), seen
    assert 3.0 < seen.rate < 45.0, "the load on average, with what was waited before and after"


def test_errors_under_load_are_blocked_with_how_often(frontend: Frontend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backend, "fails_every", 2)

    run, gates = frontend.test()

    assert isinstance(run.result, Evidence), run.result
    value, limit = failing(gates)["x1_error_ratio"]
    assert (value, limit) == (pytest.approx(3 / 8, abs=0.1), 0.01), "half of three quarters"


def blocked_as_slow(frontend: Frontend) -> None:
    run, gates = frontend.test()
    assert isinstance(run.result, Evidence), run.result
    value, limit = failing(gates)["x1_latency_p50_seconds"]
    assert value is not None
    assert 0.75 < value < 5.0
    assert limit == 0.5


def test_a_slow_backend_is_blocked_with_how_slow_it_is(frontend: Frontend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backend, "takes_seconds", 0.8)
    blocked_as_slow(frontend)


@pytest.mark.thorough
def test_a_build_with_a_slow_handler_is_blocked_with_how_slow_it_is(frontend: Frontend) -> None:
    frontend.deploy(SLOW_HOME_PAGE)
    blocked_as_slow(frontend)
