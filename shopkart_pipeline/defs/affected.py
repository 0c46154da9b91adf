"""One asset for everything that runs: which of today's advisories concern it, service by service and environment.

It is looked at with the rescans. It blocks nothing (the gates of the scans do); its checks are red where nobody looked:
an image without a bill of materials, or no advisories at hand.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

from collections.abc import Iterator

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
)

from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.services.affected_running import RunningReport, affected_running
from shopkart_pipeline.services.platform import Platform

AFFECTED = "affected"
_BILLS, _ADVISORIES = "bills", "advisories"
_MOST_ROWS = 50
_WARNINGS = TableSchema(
    columns=[TableColumn(name) for name in ("severity", "advisory", "package", "version", "fixed in", "where")]
)
_NEWEST = TableSchema(columns=[TableColumn(name) for name in ("advisory", "where")])


def build_affected(pipeline: Pipeline) -> AssetsDefinition:
    """The asset, which belongs to no release."""
    key = AssetKey([AFFECTED])

    @asset(
        key=key,
        check_specs=[
            AssetCheckSpec(_BILLS, asset=key, description="Of everything that runs there is a bill of materials."),
            AssetCheckSpec(_ADVISORIES, asset=key, description="The advisories that scans name could be read."),
        ],
        description="Which of today's advisories concern what runs, in every environment.",
        group_name=AFFECTED,
        owners=sorted({owner for service in pipeline.services.values() for owner in service.owners}),
        kinds={"sbom"},
    )
    def run(context: AssetExecutionContext, platform: ResourceParam[Platform]) -> Iterator[MaterializeResult[object]]:
        report = affected_running(platform)
        context.log.info("%s", report.summary)
        bills = "; ".join(f"{place} has none" for place in report.unknown)
        advisories = "; ".join(report.notes) or ("" if report.sources else "no advisories are at hand")
        checks = [_check(key, _BILLS, bills), _check(key, _ADVISORIES, advisories)]
        yield MaterializeResult(asset_key=key, metadata=_metadata(report), check_results=checks)

    return run


def _check(key: AssetKey, name: str, fault: str) -> AssetCheckResult:
    return AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=not fault,
        severity=AssetCheckSeverity.ERROR,
        description=fault or "All of it is there.",
    )


def _metadata(report: RunningReport) -> dict[str, MetadataValue]:
    warnings = [
        TableRecord(
            {
                "severity": each.warned.severity.name.lower(),
                "advisory": each.warned.advisory,
                "package": each.warned.package.name,
                "version": each.warned.package.version,
                "fixed in": each.warned.fixed_in or "",
                "where": ", ".join(each.places),
            }
        )
        for each in report.warnings[:_MOST_ROWS]
    ]
    newest = [
        TableRecord({"advisory": name, "where": ", ".join(places) or "nothing that runs"})
        for name, places in list(report.newest.items())[:_MOST_ROWS]
    ]
    return {
        "summary": MetadataValue.text(report.summary),
        "sources": MetadataValue.text("; ".join(report.sources)),
        "warnings": MetadataValue.int(len(report.warnings)),
        "concerned": MetadataValue.table(warnings, schema=_WARNINGS),
        "newest advisories": MetadataValue.table(newest, schema=_NEWEST),
    }
