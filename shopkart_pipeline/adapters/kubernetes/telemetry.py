"""What is known about services on Kubernetes while no metrics server and no log store is connected: nothing, told as
such. A canary is then held and turned back at its deadline; a rollout without canary is judged by readiness alone.
"""

from datetime import datetime

from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.ports.telemetry import LogLine, Logs, LogsMissing, Metrics


class NoMetrics(Metrics):
    """Stands where a metrics server would."""

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        return MetricsMissing(now, f"no metrics server is connected for {environment}: nobody counts its requests")


class NoLogs(Logs):
    """Stands where a log store would."""

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        return LogsMissing(f"no log store is connected for {environment}")
