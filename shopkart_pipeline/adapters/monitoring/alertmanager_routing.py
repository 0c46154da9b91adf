"""Alertmanager's configuration: what goes together, what is left unsaid, and who is told.

Alerts of one service in one environment are one group, because they are one incident. What is critical is told after
ten seconds and again every hour; the rest waits. It inhibits the warnings of its service, and a service of which
nothing is seen inhibits what follows from that. The pipeline alone is told: it opens the incident, and tells people by
the channels that are declared. The token is in a file that Alertmanager reads, never in here.
"""

from typing import Any

from shopkart_pipeline.adapters.monitoring.alert_rules import NOT_MEASURED, NOT_SEEN
from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline.domain.incident import IncidentSeverity

RECEIVER = "shopkart-pipeline"
_NOBODY = "nobody"
_SAME = ["environment", "service"]


def alertmanager_configuration(alerting: Alerting, *, first_wait: str = "10s") -> dict[str, Any]:
    """The whole configuration.

    Args:
        alerting: where the pipeline's receiver is.
        first_wait: how long the first alert of a group waits for others of it.
    """
    hook = {
        "url": alerting.receiver,
        "send_resolved": True,
        "max_alerts": 100,
        "http_config": {
            "authorization": {"type": "Bearer", "credentials_file": alerting.token_file},
            "follow_redirects": False,
        },
    }
    ours = {"receiver": RECEIVER, "group_by": _SAME}
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": _NOBODY,
            "routes": [
                {
                    **ours,
                    "matchers": ['alertname=~"Shopkart.*"', f'severity="{IncidentSeverity.CRITICAL.value}"'],
                    "group_wait": first_wait,
                    "group_interval": "1m",
                    "repeat_interval": "1h",
                },
                {
                    **ours,
                    "matchers": ['alertname=~"Shopkart.*"'],
                    "group_wait": "1m",
                    "group_interval": "5m",
                    "repeat_interval": "1d",
                },
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="{NOT_SEEN}"'],
                "target_matchers": [f'alertname="{NOT_MEASURED}"'],
                "equal": _SAME,
            },
            {
                "source_matchers": ['alertname=~"Shopkart.*"', f'severity="{IncidentSeverity.CRITICAL.value}"'],
                "target_matchers": ['alertname=~"Shopkart.*"', f'severity="{IncidentSeverity.WARNING.value}"'],
                "equal": _SAME,
            },
        ],
        "receivers": [{"name": _NOBODY}, {"name": RECEIVER, "webhook_configs": [hook]}],
    }
