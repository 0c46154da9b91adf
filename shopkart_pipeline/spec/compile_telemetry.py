"""Who counts the requests of an environment.

The address may be without encryption where nobody sits between, on this machine, and inside a cluster's own network,
where Prometheus usually has no certificate; a token is then not sent to it.
"""

import re
from urllib.parse import urlsplit

from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.spec.encryption import check_encrypted
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.telemetry import TelemetrySpec

INSIDE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+\.svc(\.[a-z0-9.-]+)?")
"""Hosts that are Services of a cluster."""
_PLAIN = ("requests", "status_label", "method_label", "latency_buckets")


def compile_telemetry(
    environment: str, platform: str, spec: TelemetrySpec | None, faults: Faults
) -> PrometheusSource | None:
    """The declared source of counts; None where none is declared. Faults go to `faults`."""
    if spec is None:
        return None
    where = ("environments", environment, "telemetry")
    if platform != "kubernetes":
        faults.add_meaning(where, f"the platform {platform} counts requests itself; take `telemetry` away")
    if not INSIDE.fullmatch(urlsplit(spec.prometheus).hostname or ""):
        check_encrypted((*where, "prometheus"), spec.prometheus, "Prometheus", faults)
    said = {name: value for name in _PLAIN if (value := getattr(spec, name)) is not None}
    return PrometheusSource(
        address=spec.prometheus.rstrip("/"),
        labels=spec.labels or {},
        maximum_age_seconds=spec.maximum_age or PrometheusSource.maximum_age_seconds,
        **said,
    )
