"""Telling people: a sensor that does it, and an asset with a check for each channel that shows whether it gets through.

The sensor escalates incidents that nobody acknowledges, then sends everything that waits. All of its state is in the
queue and in the incidents, so whoever starts after a crash goes on where it stopped; its cursor only says which
channels were silent before, and when that changes the asset is looked at anew. There is nothing of it where no channel
is declared.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

import json
import logging
from collections.abc import Iterator
from datetime import datetime

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    DefaultSensorStatus,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    asset,
    define_asset_job,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import PipelineError, words_of
from shopkart_pipeline.domain.notification import NotificationPolicy
from shopkart_pipeline.services.escalate import escalate
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.send_notifications import send_notifications
from shopkart_pipeline.services.silent_channels import silent_channels

NOTIFICATIONS = "notifications"
CHANNELS = "channels"

log = logging.getLogger(__name__)


def build_channels(pipeline: Pipeline) -> tuple[list[AssetsDefinition], list[UnresolvedAssetJobDefinition]]:
    """The asset, and the job that looks at it."""
    if pipeline.notifications is None:
        return [], []
    description = "Looks whether channels get through to people."
    return [_asset(pipeline, pipeline.notifications)], [
        define_asset_job(CHANNELS, selection=AssetSelection.assets(AssetKey([CHANNELS])), description=description)
    ]


def build_notifications_sensor(pipeline: Pipeline) -> list[SensorDefinition]:
    """The sensor; one tick sends no longer than Dagster lets a tick take."""
    if pipeline.notifications is None:
        return []

    @sensor(
        name=NOTIFICATIONS,
        job_name=CHANNELS,
        minimum_interval_seconds=10,
        default_status=DefaultSensorStatus.RUNNING,
        description="Tells people by the declared channels, and others when nobody acknowledges an incident.",
    )
    def notifications(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SensorResult:
        now = platform.clock.now()
        for line in (*_escalated(platform, now), *send_notifications(platform)):
            context.log.info(line)
        cursor = json.dumps(sorted(silent_channels(platform)))
        changed = cursor != (context.cursor or "[]")
        requests = [RunRequest(run_key=f"{CHANNELS}-{now.isoformat()}")] if changed else []
        return SensorResult(run_requests=requests, cursor=cursor)

    return [notifications]


def _escalated(platform: Platform, now: datetime) -> tuple[str, ...]:
    """Incidents that can't be read keep nothing from being sent that waits already."""
    try:
        return escalate(platform, now)
    except (PipelineError, OSError) as error:
        log.exception("nothing is escalated")
        return (f"nothing is escalated: {words_of(error)}",)


def _asset(pipeline: Pipeline, policy: NotificationPolicy) -> AssetsDefinition:
    key = AssetKey([CHANNELS])

    @asset(
        key=key,
        check_specs=[
            AssetCheckSpec(_check_name(name), asset=key, description=f"Channel {name} gets through.")
            for name in policy.channels
        ],
        description="By which channels people are told, and what did not arrive.",
        group_name=NOTIFICATIONS,
        owners=sorted({owner for service in pipeline.services.values() for owner in service.owners}),
        kinds={"notification"},
    )
    def run(platform: ResourceParam[Platform]) -> Iterator[MaterializeResult[object]]:
        silent = silent_channels(platform)
        checks = [_check(key, name, silent.get(name)) for name in policy.channels]
        summary = "; ".join(f"{name}: {reason}" for name, reason in silent.items()) or "everything arrived"
        yield MaterializeResult(asset_key=key, metadata={"summary": MetadataValue.text(summary)}, check_results=checks)

    return run


def _check(key: AssetKey, channel: str, reason: str | None) -> AssetCheckResult:
    return AssetCheckResult(
        asset_key=key,
        check_name=_check_name(channel),
        passed=reason is None,
        severity=AssetCheckSeverity.ERROR,
        description=reason or "Everything that was told has arrived, or waits for its turn.",
    )


def _check_name(channel: str) -> str:
    return channel.replace("-", "_")
