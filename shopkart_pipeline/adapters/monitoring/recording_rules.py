"""Recording rules: the eight metrics under one name each, by environment, service and version.

`shopkart:VITAL` is what everything else reads: the health of a deployment, alerts, dashboards. Within a group rules are
evaluated in their order, so `shopkart:replica`, by which the others tell versions, comes first.

containerd, unlike other runtimes, tells cAdvisor of no container's disk (google/cadvisor#2785); the kubelet then tells
of its logs at least.

Sources: kubelet's cAdvisor metrics (`container_*`) and its own (`kubelet_*`), kube-state-metrics (`kube_pod_*`),
postgres_exporter (`pg_stat_database_numbackends`), and the counters that the declaration names.
"""

from typing import Any

from shopkart_pipeline.adapters.monitoring.promql import Expressions, seconds
from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.monitoring import Pace, Target
from shopkart_pipeline.domain.vitals import Vital

Group = dict[str, Any]
REPLICA, REPLICAS = "shopkart:replica", "shopkart:replicas"
CONTAINERS = '{container!="",container!="POD"}'
"""Without the series of a whole pod, and of the container that holds its network."""
ERROR_RATIO = "error_ratio"


def record_of(vital: Vital) -> str:
    """The name under which a metric is recorded."""
    return f"shopkart:{vital.value}"


def window_record(objective: Objective, window_seconds: float) -> str:
    """The name under which the bad share of requests is recorded for a window of an objective."""
    if objective.measure == ERROR_RATIO:
        return f"shopkart:error_ratio:rate{seconds(window_seconds)}"
    return f"shopkart:slow_ratio_{_bound(objective)}:rate{seconds(window_seconds)}"


def requests_record(window_seconds: float) -> str:
    """The name under which it is recorded how many requests were answered in a window."""
    return f"shopkart:requests:increase{seconds(window_seconds)}"


def vital_group(target: Target, pace: Pace) -> Group:
    """The group that records the metrics of one target."""
    ask = Expressions(target)
    records = {REPLICA: ask.replicas(), REPLICAS: f"count by (version, track) ({ask.of(REPLICA)})"}
    records |= {record_of(vital): found for vital, found in vitals_of(target, pace).items()}
    return _group("vitals", target, pace, records)


def vitals_of(target: Target, pace: Pace) -> dict[Vital, str]:
    """What each metric is computed by. Where nothing uses a database, nobody counts connections."""
    ask, window = Expressions(target), seconds(pace.rate_window_seconds)
    # The kubelet is scraped far less often than the replicas.
    cpu_window = seconds(max(120.0, pace.rate_window_seconds))
    found = {
        Vital.CPU_USAGE_CORES: ask.of_pods(f"rate(container_cpu_usage_seconds_total{CONTAINERS}[{cpu_window}])"),
        Vital.MEMORY_USAGE_BYTES: ask.of_pods(f"container_memory_working_set_bytes{CONTAINERS}"),
        Vital.POD_RESTARTS: ask.of_pods("kube_pod_container_status_restarts_total"),
        **{vital: ask.latency(window, vital.quantile) for vital in Vital if vital.quantile is not None},
        Vital.REQUEST_RATE: ask.request_rate(window),
        Vital.ERROR_RATIO: ask.error_ratio_by_version(window),
        Vital.DISK_USAGE_BYTES: " or ".join(
            ask.of_pods(series)
            for series in (f"container_fs_usage_bytes{CONTAINERS}", "kubelet_container_log_filesystem_used_bytes")
        ),
    }
    if target.uses_database:
        found[Vital.DATABASE_CONNECTIONS] = ask.database("pg_stat_database_numbackends", "sum")
    return found


def objective_group(target: Target, pace: Pace) -> Group | None:
    """The group that records the bad share of requests over every window that a burn rate is looked at in, and how many
    requests the short ones had; None where nothing is promised."""
    ask, records = Expressions(target), dict[str, str]()
    for objective in target.deployment.objectives:
        for window in pace.windows_of(objective):
            expression = ask.error_ratio(seconds(window))
            if objective.measure != ERROR_RATIO:
                expression = ask.slow_ratio(seconds(window), objective.limit)
            records[window_record(objective, window)] = expression
        for rule in pace.rules_of(objective):
            records[requests_record(rule.short_seconds)] = ask.requests(seconds(rule.short_seconds))
    return _group("objectives", target, pace, records) if records else None


def _group(kind: str, target: Target, pace: Pace, records: dict[str, str]) -> Group:
    labels = {"environment": target.environment, "service": target.service}
    return {
        "name": f"shopkart-{kind}-{target.environment}-{target.service}",
        "interval": seconds(pace.evaluation_seconds),
        "rules": [{"record": name, "expr": expression, "labels": labels} for name, expression in records.items()],
    }


def _bound(objective: Objective) -> str:
    """A limit as part of a name: `0.25` seconds become `250ms`."""
    milliseconds = f"{objective.limit * 1000:.6f}".rstrip("0").rstrip(".")
    return f"{milliseconds.replace('.', '_')}ms"
