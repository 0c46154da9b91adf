"""Where alerts go. Inside a cluster, and on this machine, that may be without encryption."""

from urllib.parse import urlsplit

from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline.spec.compile_telemetry import INSIDE
from shopkart_pipeline.spec.encryption import check_encrypted
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.alerting import AlertingSpec


def compile_alerting(spec: AlertingSpec | None, faults: Faults) -> Alerting:
    """The declared places, with what is shipped for those left out. Faults go to `faults`."""
    if spec is None:
        return Alerting()
    if spec.receiver is not None and not INSIDE.fullmatch(urlsplit(spec.receiver).hostname or ""):
        check_encrypted(("alerting", "receiver"), spec.receiver, "the receiver", faults)
    return Alerting(
        receiver=(spec.receiver or Alerting.receiver).rstrip("/"),
        token_file=spec.token_file or Alerting.token_file,
        grafana=(spec.grafana or Alerting.grafana).rstrip("/"),
    )
