"""Loki's configuration, and the collector's that fills it.

Loki runs as one process with its index and chunks on one volume; lines are kept for thirty days. Streams have few
labels: environment, service, track and version; everything else is in the line. What is too long, too old or too much
is refused there, so that one service can't fill the store for all.

Alloy reads the logs of pods by the API of the node that it runs on, and takes only those of the pipeline's pods.

Sources: Grafana Loki's configuration reference (version 3), schema v13; Grafana Alloy's reference of components.
"""

from typing import Any

RETENTION = "720h"
_POD = "__meta_kubernetes_pod"
_LABELS = {
    "environment": f"{_POD}_label_app_kubernetes_io_instance",
    "service": f"{_POD}_label_app_kubernetes_io_name",
    "version": f"{_POD}_label_app_kubernetes_io_version",
    "track": f"{_POD}_label_shopkart_track",
    "pod": f"{_POD}_name",
}


def loki_configuration() -> dict[str, Any]:
    """The whole configuration."""
    return {
        "auth_enabled": False,
        "server": {"http_listen_port": 3100, "grpc_listen_port": 9096, "log_level": "warn"},
        "common": {
            "path_prefix": "/var/loki",
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}, "instance_addr": "127.0.0.1"},
            "storage": {"filesystem": {"chunks_directory": "/var/loki/chunks", "rules_directory": "/var/loki/rules"}},
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2024-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {
            "retention_period": RETENTION,
            "reject_old_samples": True,
            "reject_old_samples_max_age": "168h",
            "max_line_size": "256KB",
            "max_line_size_truncate": True,
            "ingestion_rate_mb": 8,
            "ingestion_burst_size_mb": 16,
            "max_label_names_per_series": 10,
            "max_entries_limit_per_query": 5000,
            "query_timeout": "30s",
            "allow_structured_metadata": True,
        },
        "compactor": {
            "working_directory": "/var/loki/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "analytics": {"reporting_enabled": False},
    }


def collector_configuration(address: str = "http://loki.monitoring.svc:3100") -> str:
    """Alloy's configuration, in its own language.

    Args:
        address: Loki's, without a slash at its end.
    """
    rules = "".join(_rule(source, target) for target, source in _LABELS.items())
    return f"""\
discovery.kubernetes "pods" {{
  role = "pod"
  selectors {{
    role  = "pod"
    label = "shopkart/track in (stable, canary)"
    field = "spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)
  }}
}}

discovery.relabel "shopkart" {{
  targets = discovery.kubernetes.pods.targets
{rules}}}

loki.source.kubernetes "shopkart" {{
  targets    = discovery.relabel.shopkart.output
  forward_to = [loki.process.shopkart.receiver]
}}

loki.process "shopkart" {{
  stage.label_keep {{
    values = ["environment", "service", "version", "track"]
  }}
  stage.structured_metadata {{
    values = {{ pod = "" }}
  }}
  forward_to = [loki.write.loki.receiver]
}}

loki.write "loki" {{
  endpoint {{
    url = "{address}/loki/api/v1/push"
  }}
}}
"""


def _rule(source: str, target: str) -> str:
    return f"""\
  rule {{
    source_labels = ["{source}"]
    target_label  = "{target}"
  }}
"""
