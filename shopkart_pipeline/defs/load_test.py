"""A load test as Dagster metadata: a row for each multiple, and the pictures that are among its reports.

Pictures are read from the evidence store; one that can't be read, or is larger than an event should be, is told.
"""

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from shopkart_pipeline.domain.declaration import Stage
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, Report, StageRecord
from shopkart_pipeline.domain.load_test import LoadTest, name_of
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.plot_load import PNG
from shopkart_pipeline.services.plot_vitals import as_markdown

_MEASURES = (
    "request_rate",
    "latency_p50_seconds",
    "latency_p95_seconds",
    "latency_p99_seconds",
    "latency_max_seconds",
    "error_ratio",
    "sent_ratio",
    "most_in_flight",
)
_LARGEST_BYTES = 200_000


def load_metadata(platform: Platform, stage: Stage, record: StageRecord) -> dict[str, MetadataValue]:
    """What the asset of a load test shows beside its result; nothing for any other stage."""
    if stage.load is None:
        return {}
    shown: dict[str, MetadataValue] = {}
    if isinstance(record.result, Evidence):
        shown["multiples"] = _table(stage.load, record.result)
    for report in record.result.reports:
        if report.media_type == PNG:
            shown[report.name.removesuffix(".png")] = _picture(platform, report)
    return shown


def _table(load: LoadTest, evidence: Evidence) -> MetadataValue:
    schema = TableSchema(columns=[TableColumn("multiple"), *(TableColumn(name) for name in _MEASURES)])
    rows = [
        TableRecord(
            {
                "multiple": f"{multiple:g}",
                **{name: _shown(evidence.measures.get(f"{name_of(multiple)}_{name}")) for name in _MEASURES},
            }
        )
        for multiple in load.multiples
    ]
    return MetadataValue.table(rows, schema=schema)


def _shown(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4g}"


def _picture(platform: Platform, report: Report) -> MetadataValue:
    if report.size_bytes > _LARGEST_BYTES:
        return MetadataValue.text(f"not shown: {report.size_bytes} bytes")
    try:
        return MetadataValue.md(as_markdown(platform.evidence.get_report(report.digest), report.name))
    except PipelineError as error:
        return MetadataValue.text(f"not shown: {error.what}")
