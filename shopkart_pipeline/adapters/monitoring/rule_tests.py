"""Tests of the rules for `promtool test rules`, generated beside them: series on which nothing fires, and bad ones.

They are written in what Prometheus scrapes, not in what is recorded, so the way from a counter to an alert is tested
whole. What fires is asked by the series `ALERTS`, which promtool keeps as Prometheus does.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from shopkart_pipeline.adapters._prometheus_queries import ENVIRONMENT, SERVICE, TRACK, VERSION
from shopkart_pipeline.adapters.monitoring.alert_rules import NOT_MEASURED, NOT_SEEN, SEVERITIES
from shopkart_pipeline.adapters.monitoring.promql import number
from shopkart_pipeline.adapters.monitoring.recording_rules import ERROR_RATIO, record_of, vitals_of
from shopkart_pipeline.domain.burn_rate import Urgency
from shopkart_pipeline.domain.incident import IncidentSeverity
from shopkart_pipeline.domain.monitoring import PACE, Target
from shopkart_pipeline.domain.vitals import Vital

_VERSION, _POD = "20261101-120000-0123456789ab", "replica-0"
_MINUTES = 25
"""Longer than anything has to last before it is told; windows that are longer hold what there is."""
_STEPS_PER_MINUTE = 4
_PER_STEP = 150
"""Requests from one scrape to the next."""
_GIGABYTE = 2**30


@dataclass(frozen=True)
class _Service:
    """How a service does, from one scrape to the next."""

    requests: float = _PER_STEP
    errors: float = 0
    slow: int = 0
    restarts: int = 0
    memory_bytes: int = _GIGABYTE // 4
    free_bytes: int = 8 * _GIGABYTE
    connections: int = 10
    most_connections: int | None = 100
    """None: nobody tells."""
    is_scraped: bool = True
    has_status: bool = True
    """Whether its counter has the declared label."""
    bounds: tuple[float, ...] = field(default=())
    """Of the histogram, beside the largest one."""


def rule_tests(target: Target, rules_file: str) -> dict[str, Any]:
    """A file for `promtool test rules`.

    Args:
        target: what the rules are about.
        rules_file: where they are, relative to the tests.
    """
    return {"rule_files": [rules_file], "evaluation_interval": "5m", "tests": _tests(target)}


def _tests(target: Target) -> list[dict[str, Any]]:
    limits = tuple(each.limit for each in target.deployment.objectives if each.measure != ERROR_RATIO)
    well = _Service(bounds=limits)
    tests = [
        _good(target, well),
        _bad(target, "replicas that start again and again", replace(well, restarts=1), {"ShopkartRestarts"}),
        _bad(
            target,
            "a replica without memory",
            replace(well, memory_bytes=_GIGABYTE - 1),
            {"ShopkartMemoryNearLimit"},
        ),
        _bad(target, "a volume that is full", replace(well, free_bytes=_GIGABYTE), {"ShopkartDiskFilling"}),
        _bad(target, "nobody is scraped", replace(well, is_scraped=False), {NOT_SEEN, NOT_MEASURED}),
    ]
    if target.uses_database:
        busy = replace(well, connections=90)
        tests.append(_bad(target, "a database without connections", busy, {"ShopkartDatabaseConnections"}))
        unlimited = replace(busy, most_connections=None)
        tests.append(_bad(target, "a database of which nobody tells how many it takes", unlimited, {NOT_MEASURED}))
    if any(each.measure == ERROR_RATIO for each in target.deployment.objectives):
        failing = replace(well, errors=_PER_STEP * 19 // 20)
        tests.append(_bad(target, "requests that fail", failing, {"ShopkartErrorBudgetBurns"}))
        tests.append(_bad(target, "a handful of requests that fail", replace(well, requests=0.05, errors=0.05), set()))
        tests.append(_bad(target, "requests without a status", replace(well, has_status=False), {NOT_MEASURED}))
    if limits:
        tests.append(
            _bad(target, "requests that take too long", replace(well, slow=_PER_STEP), {"ShopkartLatencyBudgetBurns"})
        )
        tests.append(_bad(target, "a histogram without that bound", replace(well, bounds=()), {NOT_MEASURED}))
    return tests


def _good(target: Target, service: _Service) -> dict[str, Any]:
    chosen = f'environment="{target.environment}",service="{target.service}"'
    labels = f'{chosen},version="{_VERSION}"'
    values = {
        Vital.REQUEST_RATE: _PER_STEP * _STEPS_PER_MINUTE / 60,
        Vital.ERROR_RATIO: 0.0,
        Vital.MEMORY_USAGE_BYTES: float(service.memory_bytes),
        Vital.CPU_USAGE_CORES: 0.5,
        Vital.POD_RESTARTS: 0.0,
        Vital.DISK_USAGE_BYTES: 1024.0,
    }
    recorded = [
        {
            "expr": f"{record_of(vital)}{{{chosen}}}",
            "eval_time": f"{_MINUTES}m",
            "exp_samples": [{"labels": f"{record_of(vital)}{{{labels}}}", "value": value}],
        }
        for vital, value in values.items()
    ]
    counted = [
        _present(record_of(vital), chosen, vital is not Vital.DATABASE_CONNECTIONS) for vital in vitals_of(target, PACE)
    ]
    return _test(target, "all is well", service, [_firing(target, set()), *recorded, *counted])


def _present(record: str, chosen: str, by_version: bool) -> dict[str, Any]:
    by = "version" if by_version else "environment"
    label = f'version="{_VERSION}"' if by_version else chosen.partition(",")[0]
    return {
        "expr": f"count by ({by}) ({record}{{{chosen}}})",
        "eval_time": f"{_MINUTES}m",
        "exp_samples": [{"labels": f"{{{label}}}", "value": 1}],
    }


def _bad(target: Target, name: str, service: _Service, expected: set[str]) -> dict[str, Any]:
    return _test(target, name, service, [_firing(target, expected)])


def _test(target: Target, name: str, service: _Service, asked: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": f"{target.service} in {target.environment}: {name}",
        "interval": "15s",
        "input_series": [{"series": series, "values": values} for series, values in _series(target, service).items()],
        "promql_expr_test": asked,
    }


def _firing(target: Target, expected: set[str]) -> dict[str, Any]:
    chosen = f'alertstate="firing",environment="{target.environment}",service="{target.service}"'
    return {
        "expr": f"group by (alertname, severity) (ALERTS{{{chosen}}})",
        "eval_time": f"{_MINUTES}m",
        "exp_samples": [
            {"labels": f'{{alertname="{name}",severity="{severity}"}}', "value": 1}
            for name in sorted(expected)
            for severity in _severities(target, name)
        ],
    }


def _severities(target: Target, alert: str) -> list[str]:
    if not target.is_production or alert in (NOT_MEASURED, "ShopkartMemoryNearLimit"):
        return [IncidentSeverity.WARNING.value]
    if alert.endswith("BudgetBurns"):
        return [SEVERITIES[urgency].value for urgency in Urgency]
    return [IncidentSeverity.CRITICAL.value]


def _series(target: Target, service: _Service) -> dict[str, str]:
    found = dict[str, str]()
    found |= _of_replica(target, service) if service.is_scraped else {}
    pod = f'namespace="{target.environment}",pod="{_POD}"'
    container = f'{pod},container="{target.service}"'
    found[f"container_cpu_usage_seconds_total{{{container}}}"] = _growing(7.5)
    found[f"container_memory_working_set_bytes{{{container}}}"] = _staying(service.memory_bytes)
    found[f"container_fs_usage_bytes{{{container}}}"] = _staying(1024)
    found[f"kube_pod_container_status_restarts_total{{{container}}}"] = _growing(service.restarts)
    found[f'kube_pod_container_resource_limits{{{container},resource="memory"}}'] = _staying(_GIGABYTE)
    volume = f'namespace="{target.environment}",persistentvolumeclaim="data"'
    found[f"kubelet_volume_stats_available_bytes{{{volume}}}"] = _staying(service.free_bytes)
    found[f"kubelet_volume_stats_capacity_bytes{{{volume}}}"] = _staying(10 * _GIGABYTE)
    if target.uses_database:
        server = f'{ENVIRONMENT}="{target.environment}"'
        found[f'pg_stat_database_numbackends{{{server},datname="shop"}}'] = _staying(service.connections)
        if service.most_connections is not None:
            found[f"pg_settings_max_connections{{{server}}}"] = _staying(service.most_connections)
    return found


def _of_replica(target: Target, service: _Service) -> dict[str, str]:
    source = target.source
    labels = {**source.labels, SERVICE: target.service, ENVIRONMENT: target.environment, TRACK: "stable"}
    labels |= {VERSION: _VERSION, "namespace": target.environment, "pod": _POD}
    own = ",".join(f'{name}="{value}"' for name, value in labels.items())
    well, failed = ("200", "500") if source.status_label != "status_class" else ("2xx", "5xx")
    found = {f"up{{{own}}}": _staying(1)}
    label = source.status_label if service.has_status else f"not_{source.status_label}"
    for status, count in ((well, service.requests - service.errors), (failed, service.errors)):
        found[f'{source.requests}{{{own},{label}="{status}"}}'] = _growing(count)
    for bound in service.bounds:
        found[f'{source.latency_buckets}{{{own},le="{number(bound)}"}}'] = _growing(service.requests - service.slow)
    found[f'{source.latency_buckets}{{{own},le="60"}}'] = _growing(service.requests)
    found[f'{source.latency_buckets}{{{own},le="+Inf"}}'] = _growing(service.requests)
    return found


def _growing(per_step: float) -> str:
    return f"0+{per_step}x{_MINUTES * _STEPS_PER_MINUTE}"


def _staying(value: int) -> str:
    return f"{value}x{_MINUTES * _STEPS_PER_MINUTE}"
