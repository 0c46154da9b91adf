"""The sensor that keeps the local log store up to date, so that logs can be searched for longer than their files are
kept. Being late does no harm: what is not stored yet is read from the files."""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

from dagster import DefaultSensorStatus, ResourceParam, SensorDefinition, SensorEvaluationContext, SkipReason, sensor

from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.services.keep_logs import keep_logs
from shopkart_pipeline.services.platform import Platform


def build_log_store_sensor(pipeline: Pipeline) -> list[SensorDefinition]:
    """The sensor, where an environment is on this machine."""
    if all(environment.platform != "local" for environment in pipeline.environments.values()):
        return []

    @sensor(
        name="log_store",
        minimum_interval_seconds=300,
        default_status=DefaultSensorStatus.RUNNING,
        description="Stores what replicas wrote into their logs, and lets go of what is old.",
    )
    def log_store(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        said = keep_logs(platform)
        for line in said:
            context.log.warning(line)
        return SkipReason("; ".join(said) or "Logs are stored.")

    return [log_store]
