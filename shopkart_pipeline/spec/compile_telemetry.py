"""Who counts the requests of an environment, and who has its logs.

The address may be without encryption where nobody sits between, on this machine, and inside a cluster's own network,
where Prometheus usually has no certificate; a token is then not sent to it.
"""

import re
from urllib.parse import urlsplit

from shopkart_pipeline.domain.log_source import LokiSource
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.spec.encryption import check_encrypted
from shopkart_pipeline.spec.faults import Faults, KeyPath
from shopkart_pipeline.spec.models.telemetry import TelemetrySpec

INSIDE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+\.svc(\.[a-z0-9.-]+)?")
"""Hosts that are Services of a cluster."""
_LABELS = ("environment_label", "service_label", "track_label", "version_label", "pod_label")
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
    _check_address((*where, "prometheus"), spec.prometheus, "Prometheus", faults)
    said = {name: value for name in _PLAIN if (value := getattr(spec, name)) is not None}
    return PrometheusSource(
        address=spec.prometheus.rstrip("/"),
        labels=spec.labels or {},
        maximum_age_seconds=spec.maximum_age or PrometheusSource.maximum_age_seconds,
        **said,
    )


def compile_log_source(environment: str, spec: TelemetrySpec | None, faults: Faults) -> LokiSource | None:
    """The declared store of logs; None where none is declared. Faults go to `faults`."""
    if spec is None or spec.loki is None:
        return None
    loki = spec.loki
    _check_address(("environments", environment, "telemetry", "loki", "address"), loki.address, "Loki", faults)
    names = {name: value for name in _LABELS if (value := getattr(loki, name)) is not None}
    return LokiSource(loki.address.rstrip("/"), loki.tenant or "", loki.labels or {}, **names)


def _check_address(where: KeyPath, address: str, what: str, faults: Faults) -> None:
    if not INSIDE.fullmatch(urlsplit(address).hostname or ""):
        check_encrypted(where, address, what, faults)
