"""All definitions, from a platform: a service more in the declaration is a service more here, without code."""

# Dagster leaves type parameters of this function open.
# pyright: reportUnknownVariableType=false

from dagster import AssetSelection, Definitions, ResourceDefinition, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.defs.branch_protection import build_branch_protection
from shopkart_pipeline.defs.delivery import build_delivery
from shopkart_pipeline.defs.drill import build_drill
from shopkart_pipeline.defs.health import build_health
from shopkart_pipeline.defs.health_watch import build_bake_sensor, build_health_job
from shopkart_pipeline.defs.incidents import build_incidents
from shopkart_pipeline.defs.keys import SERVICE_TAG, asset_key, job_name
from shopkart_pipeline.defs.maintenance import build_maintenance_job
from shopkart_pipeline.defs.notifications import build_channels
from shopkart_pipeline.defs.recovery import build_recovery
from shopkart_pipeline.defs.rescans import build_rescans
from shopkart_pipeline.defs.rollback import build_rollback_job
from shopkart_pipeline.defs.running import build_running
from shopkart_pipeline.defs.schedules import declared_schedules
from shopkart_pipeline.defs.sensors import build_sensors
from shopkart_pipeline.defs.stages import build_stages
from shopkart_pipeline.domain.declaration import Phase, Pipeline, Service
from shopkart_pipeline.engine.asset_shapes import NarrowJob
from shopkart_pipeline.engine.executor import parallel_threads
from shopkart_pipeline.engine.places import ENVIRONMENT_TAG, QUEUE_TAG
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import queue_of

_DESCRIPTIONS = {
    Phase.CI: "From checkout to a published image.",
    Phase.STAGING: "Deploy to staging and test there.",
    Phase.PRODUCTION: "Bring an approved image to production.",
}


def build_definitions(platform: Platform) -> Definitions:
    """Assets, checks, jobs, sensors and schedules of every declared service."""
    services = platform.pipeline.services.values()
    rollbacks, maintenance = [build_rollback_job(service) for service in services], build_maintenance_job()
    branches, looking = build_branch_protection(platform.pipeline)
    recovery, recovering = build_recovery(platform.pipeline)
    incidents, responding = build_incidents(platform.pipeline)
    drills, drilling, drill_schedules = build_drill(platform.pipeline)
    health, health_jobs = build_health(platform.pipeline)
    delivery, measuring, measure_schedules = build_delivery(platform.pipeline)
    look_jobs = build_health_job(platform.pipeline)
    rescans, rescanning = build_rescans(platform.pipeline)
    channels, channel_jobs = build_channels(platform.pipeline)
    return Definitions(
        assets=[
            *(item for service in services for item in build_stages(service)),
            *branches,
            *recovery,
            *incidents,
            *drills,
            *health,
            *rescans,
            *delivery,
            *channels,
            *build_running(list(services)),
        ],
        jobs=[
            *rollbacks,
            maintenance,
            *looking,
            *recovering,
            responding,
            *drilling,
            *health_jobs,
            *look_jobs,
            *rescanning,
            *measuring,
            *channel_jobs,
            *(job for service in services for job in _phase_jobs(platform.pipeline, service)),
        ],
        sensors=[*build_sensors(platform.pipeline, rollbacks), *build_bake_sensor(platform.pipeline)],
        schedules=[
            *declared_schedules(platform.pipeline, [maintenance, *looking, *recovering, *rescanning, *look_jobs]),
            *measure_schedules,
            *drill_schedules,
        ],
        executor=parallel_threads,
        resources={"platform": ResourceDefinition.hardcoded_resource(platform)},
    )


def _phase_jobs(pipeline: Pipeline, service: Service) -> list[UnresolvedAssetJobDefinition]:
    return [_phase_job(pipeline, service, phase) for phase in Phase if service.stages_of(phase)]


def _phase_job(pipeline: Pipeline, service: Service, phase: Phase) -> UnresolvedAssetJobDefinition:
    changed = next((each.name for each in pipeline.environments.values() if each.phase is phase), None)
    job = define_asset_job(
        job_name(service.name, phase),
        selection=AssetSelection.assets(*(asset_key(service.name, stage.name) for stage in service.stages_of(phase))),
        description=f"{_DESCRIPTIONS[phase]} ({service.name})",
        tags={
            SERVICE_TAG: service.name,
            "shopkart/phase": phase.value,
            **({ENVIRONMENT_TAG: changed} if changed else {}),
            **({QUEUE_TAG: queue} if (queue := queue_of(service.name, phase)) else {}),
        },
    )
    return NarrowJob.of(job)
