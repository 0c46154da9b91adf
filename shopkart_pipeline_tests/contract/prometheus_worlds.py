"""The contract of metrics on a real Prometheus, which scrapes replicas that follow a cluster in memory."""

import json
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters.monitoring.recording_rules import vital_group
from shopkart_pipeline.adapters.prometheus import PrometheusMetrics
from shopkart_pipeline.adapters.prometheus_vitals import PrometheusVitals
from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.monitoring import Pace, Target
from shopkart_pipeline.domain.traffic import TrafficSample
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.cluster_worlds import FakeWorld
from shopkart_pipeline_tests.contract.prometheus_server import ServicePool, running_prometheus, until

_SERVICES = 14


class PrometheusWorld(FakeWorld):
    """All in memory but the counts."""

    def __init__(self, pool: ServicePool, address: str) -> None:
        super().__init__()
        self._pool = pool
        self._names = iter(sorted({each.service for each in pool.exporters}))
        self.metrics = self.counted = PrometheusMetrics(PrometheusSource(address), ServerAccess(), pause=timedelta(0))
        self.vitals = self.measured = PrometheusVitals(PrometheusSource(address), ServerAccess())

    def a_service(self) -> str:
        return next(self._names)

    def deployed(self, service: str, version: str = "v1", *, replicas: int = 2, environment: str = "production") -> str:
        digest = super().deployed(service, version, replicas=replicas, environment=environment)
        self._follow(environment, service)
        until(lambda: self._answered(environment, service) is not None)
        return digest

    def send(self, environment: str, service: str, requests: int) -> None:
        weight_percent = self._follow(environment, service)
        before, of_canary = self._answered(environment, service), requests * weight_percent // 100
        assert before is not None
        for track, share in ((Track.CANARY, of_canary), (Track.STABLE, requests - of_canary)):
            if share:
                self._pool.of(environment, service, track)[0].answer(share)
        until(lambda: self._answered(environment, service) == before + requests)

    def version_of(self, environment: str, service: str) -> str:
        return self._pool.of(environment, service, Track.STABLE)[0].version

    def note(self, environment: str, service: str) -> None:
        """Prometheus does that by itself."""

    def _follow(self, environment: str, service: str) -> int:
        """Let replicas be up that are ready; gives the canary's weight."""
        status = self.cluster.observe(environment, service)
        for track, workload in ((Track.CANARY, status.canary), (Track.STABLE, status.stable)):
            for number, exporter in enumerate(self._pool.of(environment, service, track)):
                exporter.is_up = workload is not None and number < workload.ready
        return status.canary_weight_percent

    def _answered(self, environment: str, service: str) -> int | None:
        sample = self.metrics.traffic(environment, service, self.now())
        return (sample.canary + sample.stable).requests if isinstance(sample, TrafficSample) else None


@contextmanager
def a_prometheus_world(folder: Path) -> Generator[PrometheusWorld]:
    """A running Prometheus, and services enough for every test."""
    pool = ServicePool([f"shop-{number}" for number in range(_SERVICES)], ("production", "staging"), stable=1)
    for each in pool.exporters:
        each.version = f"{each.service}-1"
    rules = folder / "rules.yml"
    rules.write_text(_rules(pool))  # JSON is YAML.
    with running_prometheus(folder, pool, rule_files=[str(rules)]) as address, ExitStack() as stack:
        world = PrometheusWorld(pool, address)
        stack.enter_context(closing(world.counted))
        stack.enter_context(closing(world.measured))
        yield world


def _rules(pool: ServicePool) -> str:
    """What `shopkart monitoring` generates for services of production, at the tests' pace."""
    nothing = Deployment("production", 1, (), 60.0, Analysis(), (), None)
    pace = Pace(evaluation_seconds=1.0, rate_window_seconds=10.0)
    groups = [
        vital_group(Target("production", service, True, nothing, PrometheusSource(""), (), uses_database=False), pace)
        for service in sorted({each.service for each in pool.exporters})
    ]
    return json.dumps({"groups": groups})
