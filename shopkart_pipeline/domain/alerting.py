"""Where alerts go and where people look, as declared."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Alerting:
    """Where alerts go and where people look."""

    receiver: str = "http://shopkart-receiver.shopkart-pipeline.svc:3001/webhooks/alertmanager"
    """The pipeline's receiver, as Alertmanager reaches it."""
    token_file: str = "/etc/alertmanager/secrets/shopkart-alertmanager/token"
    """The bearer token, as Alertmanager finds it on its disk."""
    grafana: str = ""
    """Where people reach Grafana, without a slash at its end; empty: alerts link to no dashboard."""

    def dashboard(self, service: str, environment: str, since: datetime, until: datetime) -> str:
        """The address of a service's dashboard at a time; empty where nobody said where Grafana is."""
        if not self.grafana:
            return ""
        window = f"&from={since.timestamp() * 1000:.0f}&to={until.timestamp() * 1000:.0f}"
        return f"{self.grafana}{dashboard_path(service, environment)}{window}"


def dashboard_uid(service: str) -> str:
    """The dashboard's uid; services have forty characters at most, and Grafana takes forty."""
    return f"sk-{service}"[:40]


def dashboard_path(service: str, environment: str) -> str:
    """Where a service's dashboard is below Grafana's address."""
    return f"/d/{dashboard_uid(service)}/?var-environment={environment}"
