"""One attempt of one stage: begin, refuse or do, record, and say when a phase is through.

The order matters: a stage whose predecessors are not all passed (for this commit, this image, under today's policy)
is refused before anything is begun, whoever asked for it. What a stage finds is stored before anybody is told. A
failure of a tool is missing evidence, not an exception; killing the process leaves an attempt that never finished,
which counts for nothing and is replaced by the next. Where an earlier attempt had the same inputs its result is taken
over, and the record says so (`reuse_result`); asked not to, the tool runs and both results are compared.
"""

import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from shopkart_pipeline.domain.declaration import ATTESTING, EXPANDS, MIGRATIONS, Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import NotYet, PipelineError, Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, StageRecord, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome, Verdict
from shopkart_pipeline.known_secrets import masked_data
from shopkart_pipeline.ports.evidence_store import Note, StageStart
from shopkart_pipeline.services.at_hand import application_at_hand
from shopkart_pipeline.services.attest_phase import attest_phase
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline.services.build_artifacts import (
    build_application,
    build_image,
    install_dependencies,
)
from shopkart_pipeline.services.check_compatibility import check_compatibility
from shopkart_pipeline.services.checkout_source import checkout_source
from shopkart_pipeline.services.collect_evidence import collect_evidence
from shopkart_pipeline.services.collect_reviews import collect_reviews
from shopkart_pipeline.services.contract_database import contract_database, standing_digest
from shopkart_pipeline.services.contracted import ROLL_FORWARD, behind_contract
from shopkart_pipeline.services.expand_database import expand_database
from shopkart_pipeline.services.judge_release import (
    image_digest,
    is_about_image,
    judge_records,
    stage_lines,
    stages_before,
)
from shopkart_pipeline.services.own_events import PHASE_PASSED, progress
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.publish_image import publish_image
from shopkart_pipeline.services.pull_requests import forbid
from shopkart_pipeline.services.record_policy import record_policy
from shopkart_pipeline.services.record_skips import record_left_out, record_reuse
from shopkart_pipeline.services.report_progress import stage_began, stage_ended
from shopkart_pipeline.services.request_production import wait_after_refusal
from shopkart_pipeline.services.reuse_result import comparison, discard, earlier, inputs_of, stand_in, with_note
from shopkart_pipeline.services.roll_out import roll_out, to_be_ended
from shopkart_pipeline.services.run_load_test import run_load_test
from shopkart_pipeline.services.waivers import end_waivers, record_waivers


@dataclass(frozen=True)
class StageOutcome:
    """What an attempt left behind, and how its gates came out."""

    record: StageRecord
    gates: tuple[GateResult, ...]
    phase_passed: bool = False
    """Whether this attempt completed its phase, so that the next one can begin."""

    @property
    def passed(self) -> bool:
        return Verdict(self.gates).outcome is Outcome.PASS


def run_stage(
    platform: Platform, release: Release, stage_name: str, run_id: str, *, reuse: bool = True
) -> StageOutcome:
    """Run one stage of a release.

    Args:
        platform: the ports.
        release: which release.
        stage_name: a stage that its service declares.
        run_id: identifies the attempt; equal for all stages of one run.
        reuse: whether an earlier result may stand where the inputs are the same.

    Raises:
        Refused: a stage before this one is not passed; for production also what `authorise_deploy` refuses.
    """
    service = platform.service(release.service)
    stage = service.stage(stage_name)
    image = _admit(platform, release, stage, run_id)
    start = StageStart(service.name, release.key, stage.name, run_id, platform.clock.now())
    platform.evidence.begin(start)
    stage_began(platform, release, stage, run_id)
    records = platform.evidence.latest(release.service, release.key)
    inputs = inputs_of(platform, release, stage, image, records)
    former = earlier(platform, release, stage, inputs)
    record = stand_in(platform, release, stage, start, former, inputs) if reuse and former is not None else None
    if record is None:
        if not reuse:
            discard(platform, release, stage)
        record = _made(platform, release, stage, start, image, inputs)
    if not reuse and former is not None:
        record = with_note(record, comparison(record, former))
    platform.evidence.finish(record)
    record_waivers(platform, release, record)
    end_waivers(platform, release, record, records)
    outcome = StageOutcome(record, stage_lines(platform, release, record, records))
    stage_ended(platform, release, record, outcome.gates)
    announced = outcome.passed and _announce(platform, release, stage, run_id)
    return replace(outcome, phase_passed=announced)


def _made(
    platform: Platform, release: Release, stage: Stage, start: StageStart, image: str | None, inputs: Mapping[str, str]
) -> StageRecord:
    """The record of an attempt that runs."""
    run = _do(platform, release, stage, image, start.run_id)
    reports = platform.evidence.put_reports(run.raw)
    return StageRecord(
        service=start.service,
        release_key=release.key,
        stage=stage.name,
        run_id=start.run_id,
        started_at=start.started_at,
        finished_at=platform.clock.now(),
        commit=release.sha,
        subject_digest=_built(run) if stage.kind is StageKind.IMAGE else image,
        result=masked_data(replace(_with_numbers(run.result), reports=reports)),
        inputs=inputs,
    )


def _admit(platform: Platform, release: Release, stage: Stage, run_id: str) -> str | None:
    """The image that the stage may work on, None for stages that come before there is one.

    Raises `Refused`, and leaves a note about it, unless everything before the stage is passed. What is refused for now
    is asked for again.
    """
    service = platform.service(release.service)
    try:
        forbid(service, release, stage)
        if stage.kind is StageKind.CONTRACT:
            return standing_digest(platform, release)
        if stage.phase is Phase.PRODUCTION:
            return _admit_to_production(platform, release, stage)
        if stage.kind in (StageKind.STAGING_EXPAND, StageKind.STAGING):
            _refuse_behind_contract(platform, release, stage)
        records = platform.evidence.latest(release.service, release.key)
        _refuse_unless_passed(platform, release, stage, stages_before(service, stage), records)
        return image_digest(service, records) if is_about_image(service, stage) else None
    except Refused as refusal:
        note = Note(release.service, release.key, platform.clock.now(), "refused", refusal.what, {"stage": stage.name})
        platform.evidence.note(note)
        if isinstance(refusal, NotYet):
            wait_after_refusal(platform, release, refusal.what, run_id)
        raise


def _refuse_unless_passed(
    platform: Platform, release: Release, stage: Stage, before: Collection[str], records: Mapping[str, StageRecord]
) -> None:
    verdict = judge_records(platform, release, before, records)
    if before and verdict.outcome is not Outcome.PASS:
        lines = "; ".join(result.line for result in verdict.blocking)
        raise Refused(f"{release.name} may not start {stage.name}: {lines}.", "Run or mend what comes before.")


def _refuse_behind_contract(platform: Platform, release: Release, stage: Stage) -> None:
    environment = platform.environment_of(stage.phase).name
    line = behind_contract(platform, release.service, environment, release.key)
    if line is not None:
        raise Refused(f"{release.name} may not start {stage.name}: {line}.", ROLL_FORWARD)


def _admit_to_production(platform: Platform, release: Release, stage: Stage) -> str:
    """The digest that may go to production. Without leave, all that is admitted is the end of what has begun."""
    service = platform.service(release.service)
    rollout = service.stage_of(StageKind.PRODUCTION) or stage
    try:
        digest = authorise_deploy(platform, release).digest
        record_policy(platform)
        record_left_out(platform, release, digest)
        expanding = [name for name in stages_before(service, stage) if service.stage(name).kind in EXPANDS]
        records = platform.evidence.latest(release.service, release.key)
        _refuse_unless_passed(platform, release, stage, expanding, records)
        return digest
    except Refused:
        with suppress(ToolUnavailable):
            left = to_be_ended(platform, release, rollout)
            if left is not None:
                return left.state.plan.digest
        raise


def _do(platform: Platform, release: Release, stage: Stage, image: str | None, run_id: str) -> ToolRun:
    try:
        match stage.kind:
            case StageKind.SOURCE:
                return checkout_source(platform, release)
            case StageKind.DEPENDENCIES:
                return install_dependencies(platform, release, stage)
            case StageKind.APPLICATION:
                return build_application(platform, release, stage)
            case StageKind.IMAGE:
                application_at_hand(platform, release)
                return build_image(platform, release, stage)
            case StageKind.CODE_REVIEW:
                return collect_reviews(platform, release, stage)
            case StageKind.COMPATIBILITY:
                return check_compatibility(platform, release, stage, image, run_id)
            case StageKind.LOAD_TEST:
                return run_load_test(platform, release, stage, image)
            case StageKind.PUBLISHED_IMAGE | StageKind.STAGING | StageKind.PRODUCTION:
                return _deliver(platform, release, stage, image, run_id)
            case kind if kind in ATTESTING:
                return attest_phase(platform, release, stage, image)
            case kind if kind in MIGRATIONS:
                return _deliver(platform, release, stage, image, run_id)
            case _:
                return collect_evidence(platform, release, stage, image)
    except PipelineError as error:
        return ToolRun(EvidenceMissing(f"{error.what} {error.fix}"))
    except OSError as error:
        return ToolRun(EvidenceMissing(f"{stage.name} stopped: {type(error).__name__}: {error.strerror}"))


def _deliver(platform: Platform, release: Release, stage: Stage, image: str | None, run_id: str) -> ToolRun:
    if image is None:
        return ToolRun(EvidenceMissing("there is no image"))
    if stage.kind is StageKind.PUBLISHED_IMAGE:
        return publish_image(platform, release, stage, image)
    if stage.kind is StageKind.CONTRACT:
        return contract_database(platform, release, stage, image, run_id)
    if stage.kind in EXPANDS:
        return expand_database(platform, release, stage, image, run_id)
    return roll_out(platform, release, stage, image, run_id)


def _built(run: ToolRun) -> str | None:
    return run.result.facts.get("digest") if isinstance(run.result, Evidence) else None


def _with_numbers(result: Evidence | EvidenceMissing) -> Evidence | EvidenceMissing:
    """Without measures that are no numbers: they are absent, and the evidence says so."""
    if isinstance(result, EvidenceMissing):
        return result
    numbers = {name: value for name, value in result.measures.items() if math.isfinite(value)}
    lost = sorted(set(result.measures) - set(numbers))
    notes = tuple(f"{result.tool.name} gave no number for {name}." for name in lost)
    return replace(result, measures=numbers, notes=(*result.notes, *notes))


def _announce(platform: Platform, release: Release, stage: Stage, run_id: str) -> bool:
    """Tell the pipeline that a phase is through, once it is; telling it twice is one event.

    Only a stage that no other stage of its phase waits for can complete it: when everything is run once more, the
    earlier records still stand while the first stages pass.
    """
    in_phase = platform.service(release.service).stages_of(stage.phase)
    if release.pull_request is not None:
        return False  # It ends with continuous integration.
    if stage.phase is Phase.PRODUCTION or any(stage.name in other.needs for other in in_phase):
        return False
    names = [each.name for each in in_phase]
    records = platform.evidence.latest(release.service, release.key)
    verdict = judge_records(platform, release, names, records)
    if verdict.outcome is not Outcome.PASS:
        return False
    record_reuse(platform, release, {name: records[name] for name in names})
    return platform.inbox.put(progress(PHASE_PASSED, release, stage.phase, run_id, platform))
