"""The verdict on a release, recomputed from stored evidence whenever somebody asks.

Nothing that a user interface can write is read here: the records are those of the evidence store, the policy is
today's declaration, and the image is the one that the newest `image` record names. What staging showed counts for the
configuration that it ran with: once another one is declared, staging has to be run again.
"""

from collections.abc import Collection, Iterable, Mapping

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.policy import Gate
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.release_unit import CONFIGURATION, NOT_RECORDED
from shopkart_pipeline.domain.verdict import GateResult, Subject, Verdict, evaluate_stage, judge_stages, skipped_lines
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.specify_workload import declared_configuration
from shopkart_pipeline.services.waivers import waived

MAXIMUM_EVIDENCE_AGE_SECONDS = 14 * 24 * 3600.0
"""Older evidence does not count: advisories and staging have moved on. Running the stage again renews it."""


def judge_release(platform: Platform, release: Release, stages: Collection[str]) -> Verdict:
    """The verdict over the named stages of a release, under today's policy."""
    return judge_records(platform, release, stages, platform.evidence.latest(release.service, release.key))


def judge_records(
    platform: Platform, release: Release, stages: Collection[str], records: Mapping[str, StageRecord]
) -> Verdict:
    """As `judge_release`, over records that were read already: who decides must look at one state of things."""
    service = platform.service(release.service)
    subject = Subject(
        commit=release.sha,
        digest=image_digest(service, records),
        now=platform.clock.now(),
        maximum_age_seconds=MAXIMUM_EVIDENCE_AGE_SECONDS,
        image_stages=frozenset(stage.name for stage in service.stages if is_about_image(service, stage)),
        configurations=_configurations(platform, release, stages, records),
        waived=waived(platform, release, records),
    )
    verdict = judge_stages({name: gates_of(service, name) for name in stages}, records, subject)
    return Verdict((*verdict.results, *(line for name in stages for line in skipped(service, name))))


def _configurations(
    platform: Platform, release: Release, stages: Collection[str], records: Mapping[str, StageRecord]
) -> Mapping[str, str]:
    """For every stage of staging whose evidence names a configuration the one that staging would have today. What was
    recorded before evidence named one is as old as it is, and counts for as long as any."""
    service = platform.service(release.service)
    told = [name for name in stages if service.stage(name).phase is Phase.STAGING and _names_one(records.get(name))]
    if not told:
        return {}
    try:
        wanted = declared_configuration(platform, release, Phase.STAGING)
    except PipelineError as error:
        wanted = f"unknown ({error.what})"
    return dict.fromkeys(told, wanted)


def _names_one(record: StageRecord | None) -> bool:
    if record is None or not isinstance(record.result, Evidence):
        return False
    return record.result.facts.get(CONFIGURATION, NOT_RECORDED) != NOT_RECORDED


def stage_lines(
    platform: Platform, release: Release, record: StageRecord, records: Mapping[str, StageRecord]
) -> tuple[GateResult, ...]:
    """The lines of one stage as its record stands, with what the declaration leaves out.

    Args:
        platform: the ports.
        release: whose stage.
        record: what the stage left.
        records: those of the other stages; the waivers are among them.
    """
    service = platform.service(release.service)
    at_hand = waived(platform, release, {**records, record.stage: record})
    lines = evaluate_stage(record.stage, gates_of(service, record.stage), record.result, at_hand)
    return (*lines, *skipped(service, record.stage))


def skipped(service: Service, stage: str) -> tuple[GateResult, ...]:
    """The lines about gates of a stage that are left out. Stages that are left out are told with the checkout."""
    lines = skipped_lines(service.left_out, stage)
    is_source = service.stage(stage).kind is StageKind.SOURCE
    return (*skipped_lines(service.left_out, None), *lines) if is_source else lines


def is_about_image(service: Service, stage: Stage) -> bool:
    """Whether a stage makes the image or looks at it: then its evidence counts for that digest alone."""
    kinds = {stage.kind, *(service.stage(name).kind for name in stages_before(service, stage))}
    return StageKind.IMAGE in kinds


def gates_of(service: Service, stage: str) -> tuple[Gate, ...]:
    """The gates of one stage."""
    return tuple(gate for gate in service.gates if gate.stage == stage)


def stages_before(service: Service, stage: Stage) -> tuple[str, ...]:
    """All stages that must have passed before this one, in order, the needs of its needs included."""
    wanted, pending = set[str](), list(stage.needs)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending.extend(service.stage(name).needs)
    return tuple(each.name for each in service.stages if each.name in wanted)


def phases_before(service: Service, phase: Phase) -> tuple[str, ...]:
    """All stages of the earlier phases."""
    order = list(Phase)
    return tuple(stage.name for stage in service.stages if order.index(stage.phase) < order.index(phase))


def image_digest(service: Service, records: Mapping[str, StageRecord]) -> str | None:
    """The digest of the release's image as its newest record says, or None while there is none."""
    for stage in service.stages:
        record = records.get(stage.name)
        if stage.kind is StageKind.IMAGE and record is not None and isinstance(record.result, Evidence):
            return record.result.facts.get("digest")
    return None


def evidence_digest(records: Mapping[str, StageRecord], stages: Iterable[str]) -> str:
    """One digest over the records of these stages: what an approver agrees to. Any new attempt changes it."""
    return digest_of({stage: digest_of(records[stage]) if stage in records else "missing" for stage in stages})
