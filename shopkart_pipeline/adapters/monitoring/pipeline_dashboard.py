"""The dashboard of the pipeline itself: how long things wait and take, what stops them, and how software is delivered.

It reads what `shopkart exporter` serves.
"""

from shopkart_pipeline.adapters.monitoring.grafana_dashboard import Dashboard, dashboard, placed, series_panel

PIPELINE_UID = "sk-pipeline"
_MEASURES = {
    "deployments_per_day": ("Deployment frequency, a day", "short"),
    "lead_time_seconds": ("Lead time for changes", "s"),
    "change_failure_ratio": ("Change failure rate", "percentunit"),
    "recovery_time_seconds": ("Recovery time", "s"),
    "rework_ratio": ("Rework rate", "percentunit"),
}


def pipeline_dashboard() -> Dashboard:
    """The dashboard."""
    stage = _quantile("shopkart_stage_duration_seconds", "service, stage")
    failures = "sum by (service, stage, gate) (increase(shopkart_gate_failures_total[1d])) > 0"
    panels = [
        series_panel("Queue time, p95", {"{{service}}": _quantile("shopkart_queue_seconds", "service")}, "s"),
        series_panel("Stage duration, p95", {"{{service}} {{stage}}": stage}, "s"),
        series_panel("Gate failures a day", {"{{service}} {{stage}} {{gate}}": failures}, "short"),
        series_panel("Releases by state", {"{{service}} {{state}}": "shopkart_releases"}, "short"),
        series_panel(
            "Waiting", {"deliveries in": "shopkart_inbox_deliveries", "notices out": "shopkart_outbox_notices"}, "short"
        ),
        series_panel("Open incidents", {"{{service}}": "shopkart_incidents_open"}, "short"),
        *(
            series_panel(title, {"{{service}}": f'shopkart_delivery{{measure="{name}",service!=""}}'}, unit)
            for name, (title, unit) in _MEASURES.items()
        ),
    ]
    return dashboard(
        PIPELINE_UID,
        "ShopKart: pipeline",
        [placed(panel, number) for number, panel in enumerate(panels)],
        variables=[],
        annotations=[],
        description="The pipeline's own metrics, and how software is delivered over the last thirty days.",
    )


def _quantile(histogram: str, by: str) -> str:
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate({histogram}_bucket[1h])))"
