"""What installs it all on Kubernetes: objects of the Prometheus Operator, and values for Helm's kube-prometheus-stack.

One PodMonitor scrapes every pod that the pipeline deploys, as `docs/kubernetes_metrics.md` says; a second one takes
PostgreSQL's exporters, which are told by the label `app.kubernetes.io/instance` what environment they watch. Dashboards
are ConfigMaps that Grafana's sidecar finds by their label.

Sources: Prometheus Operator, API reference (monitoring.coreos.com/v1); kube-prometheus-stack, values.
"""

import json
from collections.abc import Mapping
from typing import Any

from shopkart_pipeline.adapters.kubernetes.names import (
    FIELD_MANAGER,
    INSTANCE,
    MANAGED_BY,
    NAME,
    TRACK,
    VERSION,
    Manifest,
)
from shopkart_pipeline.adapters.monitoring.recording_rules import Group
from shopkart_pipeline.domain.installation import Installation

NAMESPACE = "monitoring"
SCRAPE_SECONDS = 5
"""How often replicas are asked: nothing is found out faster than that."""
TOKEN_SECRET = "shopkart-alertmanager"
"""The Secret with the key `token`, which the pipeline's receiver and Alertmanager share."""
_DECLARED_PATH = {
    "action": "replace",
    "sourceLabels": ["__meta_kubernetes_pod_annotation_prometheus_io_path"],
    "regex": "(.+)",
    "targetLabel": "__metrics_path__",
}
"""A service's own path of metrics, which its pods name in an annotation."""
EXPORTER = f"shopkart-exporter.{Installation.namespace}.svc:3002"
"""Where the pipeline's own metrics are (`shopkart exporter`)."""
EXPORTER_NAME = "prometheus-postgres-exporter"


def operator_objects(groups: Mapping[str, list[Group]], dashboards: Mapping[str, str]) -> tuple[Manifest, ...]:
    """All objects.

    Args:
        groups: of rules, by what they are about.
        dashboards: JSON by uid.
    """
    pods = {"matchExpressions": [{"key": TRACK, "operator": "In", "values": ["stable", "canary"]}]}
    exporters = {"matchLabels": {NAME: EXPORTER_NAME}}
    return (
        *(_object("PrometheusRule", f"shopkart-{name}", {"groups": found}) for name, found in groups.items()),
        _pod_monitor("shopkart", pods, [NAME, INSTANCE, VERSION, TRACK], SCRAPE_SECONDS, relabelings=[_DECLARED_PATH]),
        _pod_monitor("shopkart-databases", exporters, [INSTANCE], 15),
        *(_dashboard(uid, text) for uid, text in dashboards.items()),
    )


def helm_values(alertmanager: Mapping[str, Any]) -> dict[str, Any]:
    """Values of kube-prometheus-stack: rules and monitors of every namespace, our routing, the token as a mounted file,
    and the sidecar that finds dashboards."""
    everything = {
        f"{kind}SelectorNilUsesHelmValues": False for kind in ("rule", "podMonitor", "serviceMonitor", "scrapeConfig")
    }
    own = {"job_name": "shopkart-pipeline", "static_configs": [{"targets": [EXPORTER]}]}
    return {
        "prometheus": {
            "prometheusSpec": {
                **everything,
                "retention": "30d",
                "scrapeInterval": "15s",
                "additionalScrapeConfigs": [own],
            }
        },
        "alertmanager": {"config": dict(alertmanager), "alertmanagerSpec": {"secrets": [TOKEN_SECRET]}},
        "grafana": {"sidecar": {"dashboards": {"enabled": True, "label": "grafana_dashboard", "labelValue": "1"}}},
        "kubelet": {"enabled": True},
        "kubeStateMetrics": {"enabled": True},
    }


def _pod_monitor(
    name: str, selector: dict[str, Any], labels: list[str], interval_seconds: int, **details: Any
) -> Manifest:
    endpoint = {"port": "http", "path": "/metrics", "interval": f"{interval_seconds}s", **details}
    spec = {
        "namespaceSelector": {"any": True},
        "selector": selector,
        "podTargetLabels": labels,
        "podMetricsEndpoints": [endpoint],
    }
    return _object("PodMonitor", name, spec)


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {MANAGED_BY: FIELD_MANAGER}}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _dashboard(uid: str, text: str) -> Manifest:
    labels = {MANAGED_BY: FIELD_MANAGER, "grafana_dashboard": "1"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"dashboard-{uid}", "namespace": NAMESPACE, "labels": labels},
        "data": {f"{uid}.json": json.dumps(json.loads(text), separators=(",", ":"))},
    }
