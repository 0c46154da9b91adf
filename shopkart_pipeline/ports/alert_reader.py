"""What somebody who watches tells: alerts, each about a service in an environment."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from shopkart_pipeline.domain.incident import Alert, IncidentSeverity
from shopkart_pipeline.ports.inbox import Delivery

ALERTS = "alertmanager.alerts"
"""Name of the event; GitHub's door takes no names with a dot, so nobody brings it in there."""


@dataclass(frozen=True)
class ToldAlert:
    """One alert, and what it is about."""

    alert: Alert
    service: str
    """Empty where it names none."""
    environment: str
    """As `service`."""
    severity: IncidentSeverity


@dataclass(frozen=True)
class AlertGroup:
    """Alerts that were told together because they belong together."""

    key: str
    alerts: tuple[ToldAlert, ...]
    left_out: int = 0
    """How many more there are that were not told, or too many to be looked at."""


class AlertReader(ABC):
    """Knows how alerts are told. Does no I/O."""

    @abstractmethod
    def read(self, delivery: Delivery) -> AlertGroup:
        """What a delivery tells; raises `UntrustedInput` for one that can't be understood."""
