"""What runs now, as an asset of each service: a row for each environment with the running digest, that of the ledger,
and how both differ.

Nothing materializes it: a sensor of its own, which holds up nothing else where an environment hangs, observes it
whenever what it tells (but the count of replicas) changed, and once an hour so that an auditor sees that somebody still
looks. It belongs to no release; the asset of each deployment shows the same rows as they were when its release got
there.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUntypedFunctionDecorator=false

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from dagster import (
    AssetKey,
    AssetObservation,
    AssetSpec,
    DagsterInstance,
    DefaultSensorStatus,
    MetadataValue,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    TableColumn,
    TableRecord,
    TableSchema,
    sensor,
)

from shopkart_pipeline.defs.keys import asset_key, op_prefix
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Service, StageKind
from shopkart_pipeline.services.observe_running import Running, observe_running
from shopkart_pipeline.services.platform import Platform

RUNNING = "running"
_STATE = "state"
_AGAIN = timedelta(hours=1)
_COLUMNS = ("environment", "compared", "running digest", "digest in the ledger", "release", "since", "ready", "canary")
_SCHEMA = TableSchema(columns=[TableColumn(name) for name in _COLUMNS])


def running_key(service: str) -> AssetKey:
    """`SERVICE/running`."""
    return asset_key(service, RUNNING)


def build_running(services: Sequence[Service]) -> list[AssetSpec]:
    """An asset for each service that is deployed somewhere."""
    return [_spec(service) for service in services if service.deployments]


def _spec(service: Service) -> AssetSpec:
    deployed = [service.stage_of(kind) for kind in (StageKind.STAGING, StageKind.PRODUCTION)]
    return AssetSpec(
        running_key(service.name),
        deps=[asset_key(service.name, stage.name) for stage in deployed if stage is not None],
        description=f"What runs of {service.name} in each environment now, beside what the ledger says was put there "
        "last. The newest observation counts; drift is told in words.",
        group_name=op_prefix(service.name),
        owners=list(service.owners),
        kinds={"kubernetes"},
    )


def build_running_sensor() -> SensorDefinition:
    """The sensor that looks."""

    @sensor(
        name=RUNNING,
        minimum_interval_seconds=60,
        default_status=DefaultSensorStatus.RUNNING,
        description="Observes what runs in each environment, beside what the ledger says.",
    )
    def running(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        return SkipReason("; ".join(show_running(context.instance, platform)) or "Everything runs as the ledger says.")

    return running


def show_running(instance: DagsterInstance, platform: Platform) -> tuple[str, ...]:
    """Observe every service whose rows have changed, or that was not observed for an hour; returns what differs."""
    told: list[str] = []
    for service in platform.pipeline.services.values():
        rows = observe_running(platform, service)
        told += [f"{service.name} in {row.environment}: {row.words}" for row in rows if row.missing or row.differs]
        if rows and _is_news(instance, platform, service.name, rows):
            metadata = {**running_metadata(rows), _STATE: MetadataValue.text(_state(rows))}
            words = "; ".join(f"{row.environment}: {row.words}" for row in rows)
            observation = AssetObservation(running_key(service.name), description=words, metadata=metadata)
            instance.report_runless_asset_event(observation)
    return tuple(told)


def running_metadata(rows: Sequence[Running]) -> dict[str, MetadataValue]:
    """The rows as a table."""
    records = [
        TableRecord(
            {
                "environment": row.environment,
                "compared": row.words[:500],
                "running digest": row.digest or "none",
                "digest in the ledger": row.recorded_digest or "none",
                "release": row.release_key,
                "since": "" if row.recorded_at is None else row.recorded_at.isoformat(timespec="seconds"),
                "ready": row.replicas,
                "canary": row.canary,
            }
        )
        for row in rows
    ]
    return {"running": MetadataValue.table(records, schema=_SCHEMA)}


def _is_news(instance: DagsterInstance, platform: Platform, service: str, rows: Sequence[Running]) -> bool:
    [*last] = instance.fetch_observations(running_key(service), limit=1).records
    if not last:
        return True
    observation = last[0].event_log_entry.asset_observation
    state = None if observation is None else observation.metadata.get(_STATE)
    changed = state is None or state.value != _state(rows)
    return changed or platform.clock.now().timestamp() - last[0].timestamp >= _AGAIN.total_seconds()


def _state(rows: Sequence[Running]) -> str:
    """How many replicas there are is no news: an autoscaler changes that all day long, and drift is told in words."""
    return digest_of(tuple(replace(row, replicas="") for row in rows))
