"""What runs without being asked: deliveries become runs, what waited goes on, and rollouts that nobody drives are
turned back."""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import NAMESPACE_URL, uuid5

from dagster import (
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from shopkart_pipeline.defs.contracts import build_contracts_sensor
from shopkart_pipeline.defs.dispatch import DELIVERIES, drain, launch
from shopkart_pipeline.defs.incident_sensor import build_incident_sensor
from shopkart_pipeline.defs.keys import op_prefix, rollback_job_name
from shopkart_pipeline.defs.log_store import build_log_store_sensor
from shopkart_pipeline.defs.notifications import build_notifications_sensor
from shopkart_pipeline.defs.reports import build_reports_sensor
from shopkart_pipeline.defs.running import build_running_sensor
from shopkart_pipeline.defs.scale_ahead import build_scale_sensor
from shopkart_pipeline.defs.show_approval import show_end_of_wait
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.engine.launcher import keep_serving
from shopkart_pipeline.services.ask_again import ask_again
from shopkart_pipeline.services.find_drift import note_drift
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.tend_rollouts import Abandoned, abandoned_rollouts, overdue

_TICK_SECONDS = 40.0
"""Dagster gives up on a tick after 60."""
_NAMED = 50
"""Deliveries that a tick tells of; the log has them all."""


def build_sensors(pipeline: Pipeline, rollback_jobs: Sequence[JobDefinition]) -> list[SensorDefinition]:
    """All sensors of the code location."""
    reports = [build_reports_sensor()] if pipeline.code_host is not None else []
    told = [*build_notifications_sensor(pipeline), *build_log_store_sensor(pipeline)]
    return [
        _deliveries(),
        _awaited(),
        _abandoned(rollback_jobs),
        build_incident_sensor(),
        build_running_sensor(),
        build_scale_sensor(),
        *reports,
        *told,
        *build_contracts_sensor(pipeline),
    ]


def _deliveries() -> SensorDefinition:
    @sensor(
        name=DELIVERIES,
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
        description="Turns deliveries in the inbox (merges, approvals, phases that are through) into runs.",
    )
    def deliveries(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        keep_serving(context.instance)
        done = drain(context.instance, platform, _TICK_SECONDS)
        # Runs are launched here under ids that follow from the delivery, so no RunRequest is returned:
        # the warm worker may have launched the same run a moment ago.
        return SkipReason("; ".join(done[:_NAMED]) or "The inbox is empty.")

    return deliveries


def _awaited() -> SensorDefinition:
    @sensor(
        name="awaited",
        minimum_interval_seconds=15,
        default_status=DefaultSensorStatus.RUNNING,
        description="Asks for production once a release has soaked, a freeze is over, or the services that it needs "
        "are there.",
    )
    def awaited(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        seen = ask_again(platform, partial(launch, context.instance))
        for each in seen:
            if each.is_new:
                show_end_of_wait(context.instance, each)
        # Launched as a delivery's runs are, under ids that follow from what was approved: two that ask are one.
        return SkipReason("; ".join(map(str, seen[:_NAMED])) or "Nothing is awaited.")

    return awaited


def _abandoned(rollback_jobs: Sequence[JobDefinition]) -> SensorDefinition:
    @sensor(
        name="abandoned_rollouts",
        minimum_interval_seconds=15,
        default_status=DefaultSensorStatus.RUNNING,
        jobs=rollback_jobs,
        description="Turns back rollouts in production whose worker was lost and that nobody resumed, and notes what "
        "somebody changed by hand.",
    )
    def abandoned(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SensorResult:
        seen = {name: datetime.fromisoformat(at) for name, at in json.loads(context.cursor or "{}").items()}
        for line in note_drift(platform):
            context.log.warning(line)
        late, first_seen = overdue(abandoned_rollouts(platform), seen, platform.clock.now())
        cursor = json.dumps({name: at.isoformat() for name, at in first_seen.items()})
        requests = [_turn_back(each, first_seen[each.name]) for each in late]
        return SensorResult(run_requests=requests, cursor=cursor)

    return abandoned


def _turn_back(rollout: Abandoned, since: datetime) -> RunRequest:
    config = {"abandoned_release": rollout.release_key, "reason": "its worker was lost"}
    op_name = f"{op_prefix(rollout.service)}_roll_back"
    return RunRequest(
        run_key=str(uuid5(NAMESPACE_URL, f"turn-back:{rollout.name}:{since.isoformat()}")),
        job_name=rollback_job_name(rollout.service),
        run_config={"ops": {op_name: {"config": config}}},
    )
