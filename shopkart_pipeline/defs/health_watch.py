"""When the health of deployments is looked at: while a release bakes by a sensor, and by the declared schedule."""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    job,
    op,
    sensor,
)

from shopkart_pipeline.defs.health import HEALTH, health_job_name, health_key
from shopkart_pipeline.defs.keys import RELEASE_TAG, SERVICE_TAG, partitions_name
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.engine.launch import launch_once
from shopkart_pipeline.services.due_health import HealthLook, baking, running
from shopkart_pipeline.services.platform import Platform


def build_health_job(pipeline: Pipeline) -> list[JobDefinition]:
    """The job of the declared schedule; none where none is declared."""
    if HEALTH not in pipeline.schedules:
        return []

    @op(description="Has the health of every deployment looked at.")
    def look_at_all(context: OpExecutionContext, platform: ResourceParam[Platform]) -> None:
        for look in running(platform, context.run_id):
            _launch(context.instance, look)
            context.log.info(look.key)

    @job(name=HEALTH, description="Looks at the objectives of everything that runs.")
    def health() -> None:
        look_at_all()

    return [health]


def build_bake_sensor(pipeline: Pipeline) -> list[SensorDefinition]:
    """The sensor that watches releases after they took an environment; none where no environment declares that."""
    if all(environment.health is None for environment in pipeline.environments.values()):
        return []

    @sensor(
        name="bake_watch",
        minimum_interval_seconds=10,
        default_status=DefaultSensorStatus.RUNNING,
        description="Looks at the objectives of what was just released, again and again while it bakes.",
    )
    def bake_watch(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        looks = baking(platform)
        for look in looks:
            _launch(context.instance, look)
        # Launched under ids that follow from the look, so asking again changes nothing.
        return SkipReason("; ".join(look.key for look in looks) or "Nothing bakes.")

    return [bake_watch]


def _launch(instance: DagsterInstance, look: HealthLook) -> None:
    instance.add_dynamic_partitions(partitions_name(look.service), [look.release_key])
    launch_once(
        instance,
        key=look.key,
        job_name=health_job_name(look.service),
        asset_selection=[health_key(look.service, look.environment)],
        partition_key=look.release_key,
        tags={
            SERVICE_TAG: look.service,
            RELEASE_TAG: f"{look.service}@{look.release_key}",
            "shopkart/reason": look.reason,
        },
    )
