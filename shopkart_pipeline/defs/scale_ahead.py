"""Has replicas raised before declared windows and lowered after them, and shows it with what runs of the service."""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

from dagster import (
    AssetObservation,
    DagsterInstance,
    DefaultSensorStatus,
    MetadataValue,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from shopkart_pipeline.defs.running import running_key
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.tend_scale import Scaled, tend_scale

SCALE_AHEAD = "scale_ahead"
"""Name of the sensor."""


def build_scale_sensor() -> SensorDefinition:
    """The sensor. It is there where no window is declared as well: somebody may take one away while it is on."""

    @sensor(
        name=SCALE_AHEAD,
        minimum_interval_seconds=30,
        default_status=DefaultSensorStatus.RUNNING,
        description="Raises replicas before the windows declared as `scale_ahead`, and lowers them again after.",
    )
    def scale_ahead(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        told = tend_scale(platform)
        for each in told:
            _show(context.instance, each)
        return SkipReason("; ".join(each.line for each in told) or "Everything is as large as it has to be.")

    return scale_ahead


def _show(instance: DagsterInstance, scaled: Scaled) -> None:
    if scaled.act is None:
        return
    act = scaled.act
    told = {
        "environment": act.body["environment"],
        "window": act.body["window"] or "none",
        "from": act.body["from"],
        "to": act.body["to"],
        "by": act.actor,
        "at": act.at.isoformat(timespec="seconds"),
        "why": act.body["reason"],
    }
    metadata = {name: MetadataValue.text(value) for name, value in told.items()}
    instance.report_runless_asset_event(
        AssetObservation(running_key(scaled.service), description=scaled.line, metadata=metadata)
    )
