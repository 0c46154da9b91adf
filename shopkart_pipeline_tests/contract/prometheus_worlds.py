"""The contract of metrics on a real Prometheus, which scrapes replicas that follow a cluster in memory."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from shopkart_pipeline.adapters.prometheus import PrometheusAccess, PrometheusMetrics
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.traffic import TrafficSample
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.cluster_worlds import FakeWorld
from shopkart_pipeline_tests.contract.prometheus_server import ServicePool, running_prometheus, until

_SERVICES = 10


class PrometheusWorld(FakeWorld):
    """All in memory but the counts."""

    def __init__(self, pool: ServicePool, address: str) -> None:
        super().__init__()
        self._pool = pool
        self._names = iter(sorted({each.service for each in pool.exporters}))
        self.metrics = self.counted = PrometheusMetrics(
            PrometheusSource(address), PrometheusAccess(), pause=timedelta(0)
        )

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
    with running_prometheus(folder, pool) as address:
        world = PrometheusWorld(pool, address)
        with closing(world.counted):
            yield world
