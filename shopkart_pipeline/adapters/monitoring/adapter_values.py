"""Values of prometheus-adapter's Helm chart: what tells Kubernetes' autoscaler how many requests each pod answers.

One metric for every service whose `autoscale` names `requests_per_replica`, from the very counter by which its releases
are judged, over two minutes: long enough for the adapter's own pace, and short beside the autoscaler's calm.

Sources: prometheus-adapter, "Configuration walkthrough"; Kubernetes, custom metrics API.
"""

from typing import Any

from shopkart_pipeline.adapters.kubernetes.names import REQUESTS_METRIC
from shopkart_pipeline.domain.monitoring import Target

_WINDOW = "2m"
_PROMETHEUS = "http://monitoring-kube-prometheus-prometheus.monitoring.svc"
"""Where kube-prometheus-stack has it that is installed as `docs/monitoring.md` says."""


def adapter_values(targets: tuple[Target, ...]) -> dict[str, Any] | None:
    """The values; None where no service is scaled by its requests."""
    pairs = [(each.deployment.autoscale, each.source.requests) for each in targets]
    counters = dict.fromkeys(
        counter for autoscale, counter in pairs if autoscale is not None and autoscale.requests_per_replica is not None
    )
    if not counters:
        return None
    return {
        "prometheus": {"url": _PROMETHEUS, "port": 9090},
        "rules": {"default": False, "custom": [_rule(counter) for counter in counters]},
    }


def _rule(counter: str) -> dict[str, Any]:
    resources = {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}
    return {
        "seriesQuery": f'{counter}{{namespace!="",pod!=""}}',
        "resources": {"overrides": resources},
        "name": {"as": REQUESTS_METRIC},
        "metricsQuery": f"sum(rate(<<.Series>>{{<<.LabelMatchers>>}}[{_WINDOW}])) by (<<.GroupBy>>)",
    }
