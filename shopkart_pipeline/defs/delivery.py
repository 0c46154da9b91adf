"""The measures of delivery as an asset: a table of every service and team, what is behind each figure, and a picture.

How many days it looks back is configuration of the run. It needs no partition: an older time can be looked at again at
any moment, from the same lineage.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

from datetime import timedelta

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    Config,
    DefaultScheduleStatus,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    ScheduleDefinition,
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import Field

from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.plot_vitals import as_markdown
from shopkart_pipeline.services.show_delivery import TITLES, DeliveryReport, report_delivery

DELIVERY_MEASURES, _JOB = "delivery_measures", "measure_delivery"
"""A job may not be called like its asset."""
_MOST_NAMES = 100


class LookBack(Config):
    """Over which time."""

    days: float = Field(default=30.0, gt=0, description="How many days before now.")


def build_delivery(
    pipeline: Pipeline,
) -> tuple[list[AssetsDefinition], list[UnresolvedAssetJobDefinition], list[ScheduleDefinition]]:
    """The asset, the job that makes it, and its declared schedule or none."""

    @asset(
        key=AssetKey([DELIVERY_MEASURES]),
        group_name="delivery",
        owners=sorted({owner for service in pipeline.services.values() for owner in service.owners}),
        kinds={"dora"},
        description="Deployment frequency, lead time, change failure rate, recovery time and rework rate.",
    )
    def delivery_measures(
        context: AssetExecutionContext, config: LookBack, platform: ResourceParam[Platform]
    ) -> MaterializeResult[object]:
        until = platform.clock.now()
        report = report_delivery(platform, until - timedelta(days=config.days), until)
        context.log.info("%s", report.words)
        return MaterializeResult(metadata=_metadata(report))

    selection = AssetSelection.assets(delivery_measures.key)
    job = define_asset_job(_JOB, selection=selection, description="Measures how software is delivered.")
    cron, running = pipeline.schedules.get(DELIVERY_MEASURES), DefaultScheduleStatus.RUNNING
    if cron is None:
        return [delivery_measures], [job], []
    schedule = ScheduleDefinition(name=DELIVERY_MEASURES, job=job, cron_schedule=cron, default_status=running)
    return [delivery_measures], [job], [schedule]


def _metadata(report: DeliveryReport) -> dict[str, MetadataValue]:
    columns = ("of", *TITLES.values(), "missing")
    rows = [TableRecord(dict(zip(columns, row, strict=True))) for row in report.rows]
    behind = {
        f"behind: {of}, {TITLES[name]}": MetadataValue.md(_listed((*figure.releases, *figure.incidents)))
        for of, measures in report.measures.items()
        for name, figure in measures.figures.items()
        if figure.releases or figure.incidents
    }
    title = "Deployments to production"
    return {
        "summary": MetadataValue.text(report.words),
        "measures": MetadataValue.table(rows, schema=TableSchema(columns=[TableColumn(name) for name in columns])),
        "deployments": MetadataValue.md(as_markdown(report.picture, title)),
        **behind,
    }


def _listed(names: tuple[str, ...]) -> str:
    shown = [f"- {name}" for name in names[-_MOST_NAMES:]]
    more = [f"- and {len(names) - _MOST_NAMES} before"] if len(names) > _MOST_NAMES else []
    return "\n".join([*more, *shown])
