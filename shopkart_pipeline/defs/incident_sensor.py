"""Incidents become partitions, their steps are shown, and what is to be done by itself is launched.

Runs have ids that follow from the incident and what is to be done, so asking again changes nothing. What failed is
tried again after a while, the rarer the longer nothing has happened, as each try is a run that is kept; but for a
rollback: that is tried once, and then it is a person's. The cursor says how much of each timeline is shown.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# pyright: reportReturnType=false

import json
import logging
from datetime import datetime, timedelta

from dagster import (
    AssetMaterialization,
    AssetRecordsFilter,
    DagsterInstance,
    DefaultSensorStatus,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from shopkart_pipeline.defs.incidents import ACTOR_TAG, INCIDENT, INCIDENTS, SHOWN, key_of
from shopkart_pipeline.defs.keys import SERVICE_TAG
from shopkart_pipeline.defs.show_incident import incident_metadata
from shopkart_pipeline.domain.incident import Incident, TimelineEntry
from shopkart_pipeline.engine.launch import launch_once
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.roll_back_incident import notice_rollback
from shopkart_pipeline.services.tell_incident import tell_opened
from shopkart_pipeline.services.tend_incidents import Work, due_work

_LIVE = timedelta(days=90)
"""For that long after it was opened an incident is tended."""
_STEP_OF = {
    Work.SNAPSHOT: "dashboards",
    Work.ROLLBACK: "rollback",
    Work.RECOVERY: "recovery",
    Work.POSTMORTEM: "postmortem",
}
_AGAIN_SECONDS = {Work.SNAPSHOT: 300, Work.RECOVERY: 60, Work.POSTMORTEM: 86_400}
"""After which the same work is launched again, if it is still to be done."""
_RARELY = ((3600, 600), (86_400, 21_600))
"""Seconds since anything happened, and then after how many it is launched again, at the soonest."""

_Launched = dict[tuple[str, Work], str]
"""The newest try of each work that was launched, as `attempt_of` names it."""

log = logging.getLogger(__name__)


def build_incident_sensor() -> SensorDefinition:
    """The sensor; an incident that can't be tended keeps no other one waiting. What this process launched it need not
    ask for again, of hundreds of incidents every few seconds; whoever comes after it asks for all."""
    launched = _Launched()

    @sensor(
        name=INCIDENTS,
        minimum_interval_seconds=10,
        default_status=DefaultSensorStatus.RUNNING,
        description="Shows the steps of incidents, and launches what is done about them by itself.",
    )
    def incidents(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        now, said, shown = platform.clock.now(), list[str](), dict[str, int](json.loads(context.cursor or "{}"))
        live = [each for each in platform.incidents.list() if now - each.opened_at <= _LIVE]
        for incident in live:
            try:
                if incident.is_open:
                    tell_opened(platform, incident)
                    incident = notice_rollback(platform, incident)
                if shown.get(incident.id) != len(incident.timeline):
                    said += _show_all(context.instance, platform, incident)
                    shown[incident.id] = len(incident.timeline)
                due = due_work(platform, incident)
                said += [
                    f"{incident.id}: {work}" for work in due if _launch(context.instance, incident, work, now, launched)
                ]
            except Exception as error:
                log.exception("incident %s could not be tended", incident.id)
                said.append(f"{incident.id} waits: {type(error).__name__}")
        names = {incident.id for incident in live}
        context.update_cursor(json.dumps({name: number for name, number in shown.items() if name in names}))
        return SkipReason("; ".join(said) or "No incident needs anything.")

    return incidents


def _show_all(instance: DagsterInstance, platform: Platform, incident: Incident) -> list[str]:
    if not instance.has_dynamic_partition(INCIDENTS, incident.id):
        instance.add_dynamic_partitions(INCIDENTS, [incident.id])
    return [f"{incident.id}: {step}" for step in SHOWN if _show(instance, platform, incident, step)]


def _show(instance: DagsterInstance, platform: Platform, incident: Incident, step: str) -> bool:
    """Show a step that was taken, unless it is shown."""
    entry = next((each for each in incident.timeline if each.step is SHOWN[step]), None)
    if entry is None:
        return False
    shown = AssetRecordsFilter(asset_key=key_of(step), asset_partitions=[incident.id])
    if instance.fetch_materializations(shown, limit=1).records:
        return False
    instance.report_runless_asset_event(_event(platform, incident, step, entry))
    return True


def _event(platform: Platform, incident: Incident, step: str, entry: TimelineEntry) -> AssetMaterialization:
    waited = (entry.at - incident.timeline[0].at).total_seconds()
    metadata = {"at": entry.at.isoformat(), "seconds_since_it_began": waited, **incident_metadata(platform, incident)}
    return AssetMaterialization(key_of(step), description=entry.text, partition=incident.id, metadata=metadata)


def attempt_of(incident: Incident, work: Work, now: datetime) -> str:
    """Names the try that is due now: equal ones are one run."""
    every = _AGAIN_SECONDS.get(work)
    if every is None:
        return "once"
    quiet_seconds = (now - incident.timeline[-1].at).total_seconds()
    every = max([every, *(rarely for since, rarely in _RARELY if quiet_seconds > since)])
    return f"{now.timestamp() // every * every:.0f}"


def _launch(instance: DagsterInstance, incident: Incident, work: Work, now: datetime, launched: _Launched) -> bool:
    attempt = attempt_of(incident, work, now)
    if launched.get((incident.id, work)) == attempt:
        return False
    run = launch_once(
        instance,
        key=f"incident:{incident.id}:{work}:{attempt}",
        job_name=INCIDENT,
        asset_selection=[key_of(_STEP_OF[work])],
        partition_key=incident.id,
        tags={SERVICE_TAG: incident.service, ACTOR_TAG: "pipeline", "dagster/sensor_name": INCIDENTS},
    )
    launched[incident.id, work] = attempt
    return run.created
