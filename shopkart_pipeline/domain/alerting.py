"""Where alerts go and where people look, as declared."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alerting:
    """Where alerts go and where people look."""

    receiver: str = "http://shopkart-receiver.shopkart.svc:3001/webhooks/alertmanager"
    """The pipeline's receiver, as Alertmanager reaches it."""
    token_file: str = "/etc/alertmanager/secrets/shopkart-alertmanager/token"
    """The bearer token, as Alertmanager finds it on its disk."""
    grafana: str = ""
    """Where people reach Grafana, without a slash at its end; empty: alerts link to no dashboard."""
