"""A platform whose tools do nothing, with a cluster that is a file: any process may die, and what was asked of the
cluster is there to be counted.

A stage waits while a file of its name is in the folder `hold` of the home, so that a test knows what is under way when
it kills something.
"""

import fcntl
import pickle
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from shopkart_pipeline.bench_processes.no_op import without_work
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, Tool, ToolRun
from shopkart_pipeline.domain.traffic import TrafficSample
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform
from shopkart_pipeline_tests.fakes.fake_cluster import FakeCluster, FakeLogs, FakeMetrics
from shopkart_pipeline_tests.fakes.fake_vitals import FakeVitals

_LONGEST_HOLD_SECONDS = 300.0
_PASSED = {"tests": 6.0, "failed": 0.0, "flaky": 0.0}


class FileCluster:
    """The fake cluster, kept in a file; one process at a time works with it."""

    name = "fake"

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def opened(self) -> Generator[tuple[FakeCluster, FakeMetrics]]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            cluster = FakeCluster()
            there = pickle.loads(self._file.read_bytes()) if self._file.exists() else (cluster, FakeMetrics(cluster))
            yield there
            written = self._file.with_suffix(".new")
            written.write_bytes(pickle.dumps(there))
            written.rename(self._file)

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any, **named: Any) -> Any:
            with self.opened() as (cluster, _):
                return getattr(cluster, name)(*arguments, **named)

        return ask


class FileMetrics(FakeMetrics):
    """Counts of that cluster."""

    def __init__(self, cluster: FileCluster) -> None:
        self._file = cluster
        self.past = None

    def traffic(self, *arguments: Any, **named: Any) -> TrafficSample:
        with self._file.opened() as (_, metrics):
            return metrics.traffic(*arguments, **named)  # type: ignore[return-value]

    def events(self, *arguments: Any, **named: Any) -> Any:
        with self._file.opened() as (_, metrics):
            return metrics.events(*arguments, **named)


class _Held(Scanner):
    """Passes, once nobody holds its stage any more."""

    name = "held"

    def __init__(self, folder: Path, inner: Scanner | None = None) -> None:
        self._folder, self._inner = folder, inner

    def unavailable(self) -> str | None:
        return None

    def scan(self, request: ScanRequest) -> ToolRun:
        stage = request.stage.name
        (self._folder / f"{stage}.reached").touch()
        deadline = time.monotonic() + _LONGEST_HOLD_SECONDS
        while (self._folder / stage).exists():
            assert time.monotonic() < deadline, f"{stage} was held for too long"
            time.sleep(0.02)
        if self._inner is not None:
            return self._inner.scan(request)
        return ToolRun(Evidence(Tool("held", "1"), "all is well", _PASSED))


def killed_platform(home: Path) -> Platform:
    """The platform that runs and tests look at."""
    platform = without_work(build_platform(from_environment()))
    cluster, hold = FileCluster(home / "cluster" / "state"), home / "hold"
    site = Site(_as_cluster(cluster), FileMetrics(cluster), FakeLogs(), FakeVitals())
    scanners = {**platform.scanners, StageKind.LINT: (_Held(hold, platform.scanners[StageKind.LINT][0]),)}
    scanners |= {kind: (_Held(hold),) for kind in (StageKind.INTEGRATION_TESTS, StageKind.ACCEPTANCE_TESTS)}
    return replace(platform, scanners=scanners, sites=dict.fromkeys(platform.sites, site))


def _as_cluster(cluster: Any) -> Cluster:
    return cluster
