"""The health of a deployment: an asset for each service and environment that promises something, a check for each
objective.

A partition is the release that runs there, so its health stands beside everything else about it. When it is looked at,
`health_watch` says. What can't be measured is a failed check with the reason, never a passed one.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

import warnings
from collections.abc import Iterator
from functools import lru_cache

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    PreviewWarning,
    ResourceParam,
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.defs.keys import SERVICE_TAG, asset_key, op_prefix, releases_of
from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.declaration import Deployment, Pipeline, Service, StageKind
from shopkart_pipeline.domain.health import ObjectiveHealth, burn_in_words
from shopkart_pipeline.engine.asset_shapes import NarrowJob, of_shape
from shopkart_pipeline.engine.places import GROUP_TAG, NO_LIMIT
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.plot_vitals import as_markdown
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.show_health import pictures, vital_rows
from shopkart_pipeline.services.watch_health import HealthReport, watch_health

HEALTH = "health"
_ANY_SERVICE, _ANY_ENVIRONMENT = "service", "environment"
_COLUMNS = ("metric", "version", "value", "missing")
Events = Iterator[MaterializeResult[object] | AssetCheckResult]


def health_key(service: str, environment: str) -> AssetKey:
    """`SERVICE/health/ENVIRONMENT`."""
    return AssetKey([service, HEALTH, environment])


def health_job_name(service: str) -> str:
    return f"{op_prefix(service)}_{HEALTH}"


def build_health(pipeline: Pipeline) -> tuple[list[AssetsDefinition], list[UnresolvedAssetJobDefinition]]:
    """The assets, and a job for each service that has some."""
    assets, jobs = list[AssetsDefinition](), list[UnresolvedAssetJobDefinition]()
    for service in pipeline.services.values():
        own = [_asset(pipeline, service, each) for each in service.deployments.values() if each.objectives]
        if own:
            assets += own
            jobs.append(_job(service, own))
    return assets, jobs


def _job(service: Service, assets: list[AssetsDefinition]) -> UnresolvedAssetJobDefinition:
    selection = AssetSelection.assets(*(each.key for each in assets))
    description = f"Looks at the objectives of {service.name}."
    # A look takes a moment, and must not wait behind builds.
    tags = {SERVICE_TAG: service.name, GROUP_TAG: NO_LIMIT}
    name = health_job_name(service.name)
    return NarrowJob.of(define_asset_job(name, selection=selection, description=description, tags=tags))


def _asset(pipeline: Pipeline, service: Service, deployment: Deployment) -> AssetsDefinition:
    environment = pipeline.environments[deployment.environment]
    key, stage = health_key(service.name, environment.name), service.stage_of(StageKind(environment.phase.value))
    before = () if stage is None else (stage.name,)
    spec = AssetSpec(
        key,
        deps=[asset_key(service.name, name) for name in before],
        partitions_def=releases_of(service.name),
        group_name=f"{op_prefix(service.name)}_{environment.phase.value}",
        owners=list(service.owners),
        kinds={"prometheus" if environment.platform == "kubernetes" else "kubernetes"},
        description=f"The eight metrics of {service.name} in {environment.name}, and whether it keeps its promises.",
    )
    with warnings.catch_warnings():
        # Partitioned checks are a preview; without them one release's result would overwrite another's.
        warnings.simplefilter("ignore", PreviewWarning)
        checks = [
            AssetCheckSpec(
                each.measure,
                asset=key,
                description=f"At most {each.limit:g} over {each.window_seconds:g} s.",
                blocking=True,
                partitions_def=releases_of(service.name),
            )
            for each in deployment.objectives
        ]
    template = _template(before, tuple(each.measure for each in deployment.objectives))
    name = f"{op_prefix(service.name)}__{HEALTH}__{op_prefix(environment.name)}"

    def rename(given: AssetKey) -> AssetKey:
        return key if given.path[1] == HEALTH else asset_key(service.name, given.path[-1])

    return of_shape(template, name, spec, checks, rename)


@lru_cache(maxsize=64)
def _template(before: tuple[str, ...], measures: tuple[str, ...]) -> AssetsDefinition:
    """The health of any deployment: which one it is, it learns from the context."""
    key = health_key(_ANY_SERVICE, _ANY_ENVIRONMENT)

    @asset(
        key=key,
        deps=[asset_key(_ANY_SERVICE, name) for name in before],
        check_specs=[AssetCheckSpec(name, asset=key) for name in measures],
    )
    def run(context: AssetExecutionContext, platform: ResourceParam[Platform]) -> Events:
        service, _, environment = context.asset_key.path
        deployment = platform.service(service).deployments[environment]
        report, incidents = watch_health(platform, service, deployment, context.partition_key)
        context.log.info("%s in %s: %s", service, environment, report.words)
        metadata = _metadata(platform, report)
        if incidents:
            metadata["incidents"] = MetadataValue.text(", ".join(incidents))
        checks = [_check(context.asset_key, each) for each in report.objectives]
        yield MaterializeResult(asset_key=context.asset_key, metadata=metadata, check_results=checks)

    return run


def _check(key: AssetKey, health: ObjectiveHealth) -> AssetCheckResult:
    objective: Objective = health.objective
    burns = [burn_in_words(burn) for burn in health.burns]
    unseen = [f"over {each.rule.long_seconds:g} s: {each.reason}" for each in health.unseen]
    told: dict[str, float | str] = {
        "limit": objective.limit,
        "window_seconds": objective.window_seconds,
        "requests": float(health.requests),
    }
    told |= {} if health.value is None else {"value": float(health.value)}
    told |= {} if not health.missing else {"missing": health.missing}
    return AssetCheckResult(
        asset_key=key,
        check_name=objective.measure,
        passed=health.is_met,
        severity=AssetCheckSeverity.ERROR,
        description=health.words,
        metadata={
            **told,
            "burn rates": MetadataValue.md("\n".join(f"- {line}" for line in burns) or "none was measured"),
            "burn rates not measured": MetadataValue.md("\n".join(f"- {line}" for line in unseen) or "none"),
        },
    )


def _metadata(platform: Platform, report: HealthReport) -> dict[str, MetadataValue]:
    rows = [
        TableRecord({"metric": row.metric, "version": row.version, "value": row.value, "missing": row.missing})
        for row in vital_rows(report)
    ]
    shown: dict[str, MetadataValue] = {
        "summary": MetadataValue.text(report.words),
        "metrics": MetadataValue.table(rows, schema=TableSchema(columns=[TableColumn(name) for name in _COLUMNS])),
    }
    placed = current(platform, report.service, report.environment)
    marks = [] if placed is None else [(placed.at, f"{placed.release_key} is there")]
    for picture in pictures(platform, report, marks):
        missing = MetadataValue.text(f"missing: {picture.missing}")
        shown[picture.title] = MetadataValue.md(as_markdown(picture.png, picture.title)) if picture.png else missing
    return shown
