"""Two assets per declared database: its backup, and the drill that recovers from it. Their checks are what counts.

A backup that was not written leaves no materialization: nobody may take an old one for today's. A drill that found
something wrong has found it, so it leaves one, with red checks.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.defs.display import check_result
from shopkart_pipeline.domain.backup import BackedUp, Engine, Manifest
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.verdict import GateResult
from shopkart_pipeline.engine.places import QUEUE_TAG
from shopkart_pipeline.services.back_up import BACKUP, BACKUP_GATES, back_up
from shopkart_pipeline.services.drill_recovery import DRILL_GATES, RECOVERY_DRILL, drill_recovery, gates_of_drill
from shopkart_pipeline.services.platform import Platform

_KINDS = {Engine.POSTGRESQL: {"postgres"}, Engine.SQLITE: {"sqlite"}}
_DESCRIPTIONS = {
    BACKUP: "Writes out what is declared under `recovery`, and reads it back.",
    RECOVERY_DRILL: "Recovers from the newest backups beside everything that runs.",
}
_TABLES_SHOWN = 50
"""Dagster keeps what is shown for ever, and the pipeline's own stores are thousands of tables."""


def build_recovery(pipeline: Pipeline) -> tuple[list[AssetsDefinition], list[UnresolvedAssetJobDefinition]]:
    """The assets, and a job for all backups and one for all drills; nothing where nothing is backed up."""
    databases = list(pipeline.recovery.databases.values())
    if not databases:
        return [], []
    backups = [_backup(each, _owners(pipeline, each)) for each in databases]
    drills = [_drill(each, _owners(pipeline, each)) for each in databases]
    return [*backups, *drills], [_job(BACKUP, backups), _job(RECOVERY_DRILL, drills)]


def backup_key(name: str) -> AssetKey:
    """`backup/DATABASE`."""
    return AssetKey([BACKUP, name])


def drill_key(name: str) -> AssetKey:
    """`recovery_drill/DATABASE`."""
    return AssetKey([RECOVERY_DRILL, name])


def _owners(pipeline: Pipeline, database: BackedUp) -> list[str]:
    """Those of the service on it; of what is everybody's, all."""
    services = [each for each in pipeline.services.values() if database.service in (None, each.name)]
    return sorted({owner for service in services for owner in service.owners})


def _job(name: str, assets: Sequence[AssetsDefinition]) -> UnresolvedAssetJobDefinition:
    selection = AssetSelection.assets(*(asset.key for asset in assets))
    # One after another: a drill takes the newest backup, and both want the disk for themselves.
    return define_asset_job(name, selection=selection, description=_DESCRIPTIONS[name], tags={QUEUE_TAG: "recovery"})


def _backup(database: BackedUp, owners: list[str]) -> AssetsDefinition:
    key = backup_key(database.name)

    @asset(
        key=key,
        check_specs=[AssetCheckSpec(name, asset=key, description=words) for name, words in BACKUP_GATES.items()],
        description=f"The newest backup of {database.name}.",
        group_name="recovery",
        owners=owners,
        kinds=_KINDS[database.engine],
    )
    def run(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
        report = back_up(platform, database.name)
        context.log.info("%s: %s", database.name, report.words)
        checks = _checks(key, report.lines)
        if report.manifest is None:
            yield from checks
            raise Failure(report.words, allow_retries=False)
        metadata = _of(report.manifest) | {"removed": MetadataValue.int(len(report.removed))}
        yield MaterializeResult(asset_key=key, metadata=metadata, check_results=checks)

    return run


def _drill(database: BackedUp, owners: list[str]) -> AssetsDefinition:
    key, gates = drill_key(database.name), gates_of_drill(database)

    @asset(
        key=key,
        deps=[backup_key(database.name)],
        check_specs=[AssetCheckSpec(name, asset=key, description=DRILL_GATES[name]) for name in gates],
        description=f"The last drill of recovering {database.name}.",
        group_name="recovery",
        owners=owners,
        kinds=_KINDS[database.engine],
    )
    def run(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
        report = drill_recovery(platform, database.name, context.run.run_id)
        context.log.info("%s: %s", database.name, report.words)
        measured = [line for line in report.lines if line.value is not None]
        numbers = {f"{line.gate}_seconds": MetadataValue.float(line.value or 0.0) for line in measured}
        shown = {"summary": MetadataValue.text(report.words), **numbers}
        metadata = shown if report.manifest is None else _of(report.manifest) | shown
        checks = _checks(key, report.lines)
        yield MaterializeResult(asset_key=key, metadata=metadata, check_results=checks)

    return run


def _checks(key: AssetKey, lines: Sequence[GateResult]) -> list[AssetCheckResult]:
    return [check_result(key, replace(line, stage=key.path[-1])) for line in lines]


def _of(manifest: Manifest) -> dict[str, MetadataValue]:
    largest = sorted(manifest.contents.rows.items(), key=lambda each: (-each[1], each[0]))
    lines = [f"- {table}: {count}" for table, count in largest[:_TABLES_SHOWN]]
    if len(largest) > _TABLES_SHOWN:
        lines.append(f"- {len(largest) - _TABLES_SHOWN} smaller ones")
    return {
        "backup": MetadataValue.text(manifest.name),
        "taken_at": MetadataValue.text(manifest.taken_at.isoformat()),
        "size_bytes": MetadataValue.int(manifest.size_bytes),
        "duration_seconds": MetadataValue.float(manifest.seconds),
        "server": MetadataValue.text(manifest.contents.version),
        "tool": MetadataValue.text(manifest.tool),
        "digest": MetadataValue.text(manifest.digest),
        "key": MetadataValue.text(manifest.key_id),
        "rows": MetadataValue.md("\n".join(lines)),
    }
