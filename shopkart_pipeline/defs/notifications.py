"""The sensor that tells people: incidents that nobody acknowledges are escalated, then everything that waits is sent.

All of its state is in the queue and in the incidents, so whoever starts after a crash goes on where it stopped. It is
there only where channels are declared.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

from dagster import DefaultSensorStatus, ResourceParam, SensorDefinition, SensorEvaluationContext, SkipReason, sensor

from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.services.escalate import escalate
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.send_notifications import send_notifications

NOTIFICATIONS = "notifications"


def build_notifications_sensor(pipeline: Pipeline) -> list[SensorDefinition]:
    """The sensor; one tick sends no longer than Dagster lets a tick take."""
    if pipeline.notifications is None:
        return []

    @sensor(
        name=NOTIFICATIONS,
        minimum_interval_seconds=10,
        default_status=DefaultSensorStatus.RUNNING,
        description="Tells people by the declared channels, and others when nobody acknowledges an incident.",
    )
    def notifications(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        done = (*escalate(platform, platform.clock.now()), *send_notifications(platform))
        for line in done:
            context.log.info(line)
        return SkipReason("; ".join(done) or "Nothing is to be told.")

    return [notifications]
