"""What follows stages that are run again: everything downstream of them in their phase, and nothing else. Later phases
follow when the phase is through, as always.

A run that was asked for with `shopkart rerun` has everything downstream in it. A person who materializes single stages
in the interface has not: when all stages that the run has selected are passed, and stages that need them are missing in
it, an event goes into the inbox, by which a run of exactly the missing ones is launched. One run is followed by one run
per phase, however often it is told.
"""

from collections.abc import Collection

from shopkart_pipeline.domain.declaration import Phase, Service, Stage
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.judge_release import judge_records
from shopkart_pipeline.services.own_events import own_event, read_own_event
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import applicable_stages, name_of
from shopkart_pipeline.services.requests import Accepted, RunRequest

STAGE_PASSED = "shopkart.stage_passed"


def with_downstream(service: Service, release: Release, stages: Collection[str], phase: Phase) -> tuple[str, ...]:
    """These stages of a phase and all of it that need them, themselves or through others, in order."""
    found = set(stages)
    for stage in applicable_stages(service, release, phase):
        if found & set(stage.needs):
            found.add(stage.name)
    return tuple(stage.name for stage in service.stages_of(phase) if stage.name in found)


def following(service: Service, release: Release, selected: Collection[str], phase: Phase) -> tuple[str, ...]:
    """What has to follow a run of the selected stages: those that need one of them and were not selected, and all that
    is downstream of these. Nothing where everything downstream was selected."""
    missing = [
        stage.name
        for stage in applicable_stages(service, release, phase)
        if stage.name not in selected and set(stage.needs) & set(selected)
    ]
    return with_downstream(service, release, missing, phase) if missing else ()


def announce_follow_up(
    platform: Platform, release: Release, stage: Stage, selected: Collection[str], run_id: str, *, no_reuse: bool
) -> bool:
    """Tell the pipeline that what a run has selected is passed and something is to follow; whether it was news.

    Args:
        platform: the ports.
        release: which release.
        stage: a stage of the run that has just passed.
        selected: all stages of the service that are in the run.
        run_id: the run.
        no_reuse: whether what follows may not use results that are at hand.
    """
    service, phase = platform.service(release.service), stage.phase
    ran = [each.name for each in service.stages_of(phase) if each.name in selected]
    if not following(service, release, ran, phase):
        return False
    records = platform.evidence.latest(release.service, release.key)
    of_this_run = all(name in records and records[name].run_id == run_id for name in ran)
    if not of_this_run or judge_records(platform, release, ran, records).outcome is not Outcome.PASS:
        return False
    body = {"phase": phase.value, "stages": ran, "run_id": run_id, "no_reuse": no_reuse}
    return platform.inbox.put(own_event(platform, STAGE_PASSED, release, f"{phase.value}:{run_id}", body))


def accept_stage_passed(platform: Platform, delivery: Delivery) -> Accepted:
    """What follows the stages that a person ran alone, by the declaration as it is now."""
    names = ("service", "release_key", "phase", "stages", "run_id", "no_reuse")
    service_name, key, phase, ran, run_id, no_reuse = read_own_event(delivery, *names)
    service, release = platform.service(service_name), platform.evidence.release(service_name, key)
    stages = following(service, release, ran, phase)
    if not stages:
        return Accepted((), f"nothing follows {', '.join(ran)}")
    request = RunRequest(
        key=f"{release.name}:{phase.value}:after:{run_id}",
        service=service_name,
        release_key=key,
        phase=phase,
        reason=f"follows {', '.join(ran)} of run {run_id}",
        stages=stages,
        pull_request=name_of(release),
        no_reuse=no_reuse,
    )
    return Accepted((request,), f"{', '.join(stages)} follow {', '.join(ran)}")
