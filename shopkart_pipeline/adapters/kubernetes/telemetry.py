"""What is known of the requests of services on Kubernetes while no metrics server is declared: nothing, told as such.
A canary is then held and turned back at its deadline; a rollout without canary is judged by readiness alone.
"""

from datetime import datetime

from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.ports.telemetry import Metrics


class NoMetrics(Metrics):
    """Stands where a metrics server would."""

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        return MetricsMissing(now, f"no metrics server is declared for {environment}: nobody counts its requests")
