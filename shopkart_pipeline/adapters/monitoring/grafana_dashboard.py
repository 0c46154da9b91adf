"""Grafana's dashboards, as JSON: one for each service, the canary beside stable, releases as markers.

The uid is made of the service's name alone, so that links stay right when the dashboard is rendered again. Panels read
recorded series; a new version appears as an annotation when its first replica does, which needs nothing but those.

Source: Grafana's dashboard schema, version 39 (Grafana 11).
"""

from typing import Any

from shopkart_pipeline.adapters.monitoring.promql import seconds
from shopkart_pipeline.adapters.monitoring.recording_rules import ERROR_RATIO, REPLICAS, record_of, window_record
from shopkart_pipeline.domain.alerting import dashboard_uid
from shopkart_pipeline.domain.monitoring import PACE, Target
from shopkart_pipeline.domain.vitals import Vital

Dashboard = dict[str, Any]
SCHEMA_VERSION = 39
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LOGS = {"type": "loki", "uid": "${logs}"}
_UNITS = {
    Vital.CPU_USAGE_CORES: "none",
    Vital.MEMORY_USAGE_BYTES: "bytes",
    Vital.REQUEST_RATE: "reqps",
    Vital.ERROR_RATIO: "percentunit",
    Vital.DISK_USAGE_BYTES: "bytes",
}
_CHOSEN = 'environment="$environment",service="{service}"'
_WIDTH, _HEIGHT = 8, 7


def service_dashboard(targets: tuple[Target, ...]) -> Dashboard:
    """The dashboard of one service.

    Args:
        targets: the service in each of its environments, at least one.
    """
    service = targets[0].service
    chosen = _CHOSEN.format(service=service)
    panels = [*_vital_panels(targets, chosen), _replicas(chosen), _budget(targets, chosen), _logs(service)]
    return dashboard(
        dashboard_uid(service),
        f"ShopKart: {service}",
        [placed(panel, number) for number, panel in enumerate(panels)],
        variables=[_environments(targets), _logs_source()],
        annotations=[_markers(chosen)],
        description=f"What {service} does, by version. Owners: {', '.join(targets[0].owners)}.",
    )


def dashboard(
    uid: str,
    title: str,
    panels: list[Dashboard],
    *,
    variables: list[Dashboard],
    annotations: list[Dashboard],
    description: str,
) -> Dashboard:
    """A dashboard around panels."""
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Metrics", "hide": 0}
    links = {
        "title": "ShopKart",
        "type": "dashboards",
        "icon": "external link",
        "tooltip": "The other dashboards",
        "tags": ["shopkart"],
        "asDropdown": True,
        "targetBlank": False,
        "includeVars": True,
        "keepTime": True,
    }
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["shopkart"],
        "timezone": "utc",
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source, *variables]},
        "annotations": {"list": annotations},
        "links": [links],
        "panels": panels,
    }


def series_panel(title: str, queries: dict[str, str], unit: str, description: str = "") -> Dashboard:
    """A panel with lines.

    Args:
        title: what it shows.
        queries: expressions by their legend.
        unit: Grafana's name of the unit.
        description: what a reader has to know.
    """
    return {
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [
            {"refId": chr(65 + number), "datasource": SOURCE, "expr": query, "legendFormat": legend, "range": True}
            for number, (legend, query) in enumerate(queries.items())
        ],
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, "custom": {"spanNulls": False, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _vital_panels(targets: tuple[Target, ...], chosen: str) -> list[Dashboard]:
    counted = any(target.uses_database for target in targets)
    return [
        _vital_panel(vital, chosen, targets) for vital in Vital if counted or vital is not Vital.DATABASE_CONNECTIONS
    ]


def _vital_panel(vital: Vital, chosen: str, targets: tuple[Target, ...]) -> Dashboard:
    record = f"{record_of(vital)}{{{chosen}}}"
    unit = "s" if vital.quantile is not None else _UNITS.get(vital, "short")
    if vital is Vital.DATABASE_CONNECTIONS:
        return series_panel(vital.words, {"all": record}, unit, "Of the environment's server, whoever holds them.")
    of_track = '{record} and on (environment, service, version) {replicas}{{{chosen},track="{track}"}}'
    queries = {
        f"{track} {{{{version}}}}": of_track.format(record=record, replicas=REPLICAS, chosen=chosen, track=track)
        for track in ("stable", "canary")
    }
    for target in targets:
        for objective in target.deployment.objectives:
            if objective.measure == vital.value and target.is_production:
                queries[f"objective of {target.environment}"] = f"vector({objective.limit:g})"
    return series_panel(vital.words, queries, unit)


def _replicas(chosen: str) -> Dashboard:
    return series_panel("Replicas", {"{{track}} {{version}}": f"{REPLICAS}{{{chosen}}}"}, "short")


def _budget(targets: tuple[Target, ...], chosen: str) -> Dashboard:
    """How fast the error budget burnt over the longest window that is recorded."""
    queries = dict[str, str]()
    for target in targets:
        for objective in target.deployment.objectives:
            if objective.measure == ERROR_RATIO:
                longest = PACE.windows_of(objective)[-1]
                own = f'environment="{target.environment}",service="{target.service}"'
                burnt = f"{window_record(objective, longest)}{{{own}}}"
                queries[f"{target.environment}: burn rate over {seconds(longest)}"] = f"{burnt} / {objective.limit:g}"
    return series_panel(
        "Error budget", queries or {"requests": f"{record_of(Vital.REQUEST_RATE)}{{{chosen}}}"}, "short"
    )


def _logs(service: str) -> Dashboard:
    query = f'{{environment="$environment", service="{service}"}} | json | level =~ "(?i)error|critical"'
    return {
        "type": "logs",
        "title": "Errors in the logs",
        "datasource": _LOGS,
        "targets": [{"refId": "A", "datasource": _LOGS, "expr": query, "queryType": "range"}],
        "options": {"showTime": True, "sortOrder": "Descending", "wrapLogMessage": True, "enableLogDetails": True},
    }


def placed(panel: Dashboard, number: int) -> Dashboard:
    """A panel at its place, three in a row."""
    column, row = number % 3, number // 3
    return {"id": number + 1, **panel, "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}}


def _environments(targets: tuple[Target, ...]) -> Dashboard:
    names = [target.environment for target in sorted(targets, key=lambda each: not each.is_production)]
    options = [{"text": name, "value": name, "selected": number == 0} for number, name in enumerate(names)]
    return {
        "name": "environment",
        "type": "custom",
        "label": "Environment",
        "query": ",".join(names),
        "options": options,
        "current": options[0],
        "hide": 0,
    }


def _logs_source() -> Dashboard:
    return {"name": "logs", "type": "datasource", "query": "loki", "label": "Logs", "hide": 0}


def _markers(chosen: str) -> Dashboard:
    there = f"{REPLICAS}{{{chosen}}}"
    return {
        "name": "Releases",
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": f"{there} unless on (version, track) {there} offset 1m",
        "step": "30s",
        "titleFormat": "{{track}} {{version}}",
        "textFormat": "first replica of {{version}}",
        "tagKeys": "track,version",
    }
