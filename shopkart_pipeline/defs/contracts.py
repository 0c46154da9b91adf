"""Asks for contracting migrations once it is time; there where a service declares one."""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

from dagster import DefaultSensorStatus, ResourceParam, SensorDefinition, SensorEvaluationContext, SkipReason, sensor

from shopkart_pipeline.defs.dispatch import launch
from shopkart_pipeline.domain.declaration import Pipeline, StageKind
from shopkart_pipeline.services.due_contracts import due_contracts
from shopkart_pipeline.services.platform import Platform

DUE_CONTRACTS = "due_contracts"
"""Name of the sensor."""


def build_contracts_sensor(pipeline: Pipeline) -> list[SensorDefinition]:
    """The sensor, or none where nothing is ever contracted."""
    if all(service.stage_of(StageKind.CONTRACT) is None for service in pipeline.services.values()):
        return []

    @sensor(
        name=DUE_CONTRACTS,
        minimum_interval_seconds=30,
        default_status=DefaultSensorStatus.RUNNING,
        description="Contracts the database of a release that has stood in production for as long as was declared.",
    )
    def due(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        requests = due_contracts(platform)
        for request in requests:
            launch(context.instance, request)
        # Launched under ids that follow from the request, as deliveries are.
        return SkipReason("; ".join(request.key for request in requests) or "Nothing is due.")

    return [due]
