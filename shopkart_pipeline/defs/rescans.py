"""One asset per service: what of it runs in production, scanned again, with a check for each gate of the scans.

It belongs to no release's partition: it is about the image that runs, whichever that is, and names it. A scan that did
not happen is a red check, and so is an image that history does not name.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.defs.affected import build_affected
from shopkart_pipeline.defs.display import check_result
from shopkart_pipeline.defs.keys import asset_key, op_prefix
from shopkart_pipeline.domain.declaration import Pipeline, Service
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.verdict import GateResult
from shopkart_pipeline.engine.asset_shapes import of_shape
from shopkart_pipeline.services.judge_release import gates_of
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rescan_running import RUNNING, RescanReport, rescan_running
from shopkart_pipeline.services.scan_running import RESCAN, rescanned_stages

_ANY_SERVICE = "service"


def build_rescans(pipeline: Pipeline) -> tuple[list[AssetsDefinition], list[UnresolvedAssetJobDefinition]]:
    """The assets, with the one that tells what advisories concern, and the job that looks at all of it; nothing where
    no service has a scan."""
    assets = [_asset(service) for service in pipeline.services.values() if rescanned_stages(service)]
    if not assets:
        return [], []
    assets.append(build_affected(pipeline))
    selection = AssetSelection.assets(*(each.key for each in assets))
    description = "Scans what runs in production with today's advisories, under today's policy."
    return assets, [define_asset_job(RESCAN, selection=selection, description=description)]


def _asset(service: Service) -> AssetsDefinition:
    key, checks = asset_key(service.name, RESCAN), _checks_of(service)
    spec = AssetSpec(
        key,
        description=f"What runs of {service.name} in production, scanned with today's advisories.",
        group_name=op_prefix(service.name),
        owners=list(service.owners),
        kinds={"scan"},
    )
    named = [AssetCheckSpec(name, asset=key, description=words) for name, words in checks.items()]
    return of_shape(_template(tuple(checks)), f"{op_prefix(service.name)}__{RESCAN}", spec, named, lambda _: key)


@lru_cache(maxsize=64)
def _template(checks: tuple[str, ...]) -> AssetsDefinition:
    """The rescan of any service: which one it is, it learns from the context."""
    key = asset_key(_ANY_SERVICE, RESCAN)

    @asset(key=key, check_specs=[AssetCheckSpec(name, asset=key) for name in checks])
    def run(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
        key = context.asset_key
        report = rescan_running(platform, platform.service(key.path[0]))
        context.log.info("%s: %s", report.service, report.words)
        checks = [_check(key, line) for line in report.lines]
        yield MaterializeResult(asset_key=key, metadata=_metadata(report), check_results=checks)

    return run


def _checks_of(service: Service) -> dict[str, str]:
    """Descriptions by name."""
    found = {RUNNING: "What runs is what history names."}
    for stage in rescanned_stages(service):
        gates = gates_of(service, stage.name)
        found |= {f"{stage.name}_{gate.name}": gate.description for gate in gates}
        if not gates:
            found[f"{stage.name}_evidence"] = "The scan took place."
    return found


def _check(key: AssetKey, line: GateResult) -> AssetCheckResult:
    name = line.gate if line.gate == RUNNING else f"{line.stage}_{line.gate}"
    return check_result(key, replace(line, gate=name, stage=RESCAN))


def _metadata(report: RescanReport) -> dict[str, MetadataValue]:
    shown: dict[str, MetadataValue] = {
        "summary": MetadataValue.text(report.words),
        "release": MetadataValue.text(report.release_key),
        "image": MetadataValue.text(report.digest),
        "opened": MetadataValue.int(len(report.opened)),
        "closed": MetadataValue.int(len(report.closed)),
    }
    for name, result in report.results.items():
        if isinstance(result, Evidence):
            tool = " ".join(filter(None, (result.tool.name, result.tool.version, result.tool.rules)))
            shown[f"{name}: tool"] = MetadataValue.text(tool)
            shown[f"{name}: summary"] = MetadataValue.text(result.summary)
        else:
            shown[f"{name}: missing"] = MetadataValue.text(result.reason)
    return shown
