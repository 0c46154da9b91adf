"""One attempt of one stage: begin, refuse or do, record, and say when a phase is through.

The order matters: a stage whose predecessors are not all passed (for this commit, this image, under today's policy)
is refused before anything is begun, whoever asked for it. What a stage finds is stored before anybody is told. A
failure of a tool is missing evidence, not an exception; killing the process leaves an attempt that never finished,
which counts for nothing and is replaced by the next.
"""

from dataclasses import dataclass, replace

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, StageRecord, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome, Verdict, evaluate_stage
from shopkart_pipeline.ports.evidence_store import Note, StageStart
from shopkart_pipeline.services.accept_release import PHASE_PASSED, progress
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline.services.build_artifacts import (
    build_application,
    build_image,
    install_dependencies,
    publish_image,
)
from shopkart_pipeline.services.checkout_source import checkout_source
from shopkart_pipeline.services.collect_evidence import collect_evidence
from shopkart_pipeline.services.judge_release import gates_of, image_digest, judge_release, stages_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.roll_out import roll_out


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


def run_stage(platform: Platform, release: Release, stage_name: str, run_id: str) -> StageOutcome:
    """Run one stage of a release.

    Args:
        platform: the ports.
        release: which release.
        stage_name: a stage that its service declares.
        run_id: identifies the attempt; equal for all stages of one run.

    Raises:
        Refused: a stage before this one is not passed; for production also what `authorise_deploy` refuses.
    """
    service = platform.service(release.service)
    stage = service.stage(stage_name)
    _admit(platform, release, stage)
    started_at = platform.clock.now()
    platform.evidence.begin(StageStart(service.name, release.key, stage.name, run_id, started_at))
    run = _do(platform, release, stage, run_id)
    reports = tuple(platform.evidence.put_report(raw) for raw in run.raw)
    record = StageRecord(
        service=service.name,
        release_key=release.key,
        stage=stage.name,
        run_id=run_id,
        started_at=started_at,
        finished_at=platform.clock.now(),
        commit=release.sha,
        subject_digest=_subject(platform, release, stage, run),
        result=replace(run.result, reports=reports),
    )
    platform.evidence.finish(record)
    outcome = StageOutcome(record, evaluate_stage(stage.name, gates_of(service, stage.name), record.result))
    announced = outcome.passed and _announce(platform, release, stage.phase, run_id)
    return replace(outcome, phase_passed=announced)


def _admit(platform: Platform, release: Release, stage: Stage) -> None:
    """Raise `Refused`, and leave a note about it, unless everything before the stage is passed."""
    try:
        if stage.phase is Phase.PRODUCTION:
            authorise_deploy(platform, release)
            return
        before = stages_before(platform.service(release.service), stage)
        verdict = judge_release(platform, release, before)
        if before and verdict.outcome is not Outcome.PASS:
            lines = "; ".join(result.line for result in verdict.blocking)
            raise Refused(f"{release.name} may not start {stage.name}: {lines}.", "Run or mend what comes before.")
    except Refused as refusal:
        note = Note(release.service, release.key, platform.clock.now(), "refused", refusal.what, {"stage": stage.name})
        platform.evidence.note(note)
        raise


def _do(platform: Platform, release: Release, stage: Stage, run_id: str) -> ToolRun:
    try:
        match stage.kind:
            case StageKind.SOURCE:
                return checkout_source(platform, release)
            case StageKind.DEPENDENCIES:
                return install_dependencies(platform, release, stage)
            case StageKind.APPLICATION:
                return build_application(platform, release, stage)
            case StageKind.IMAGE:
                return build_image(platform, release, stage)
            case StageKind.PUBLISHED_IMAGE:
                return publish_image(platform, release)
            case StageKind.STAGING | StageKind.PRODUCTION:
                return roll_out(platform, release, stage.phase, run_id)
            case _:
                return collect_evidence(platform, release, stage)
    except PipelineError as error:
        return ToolRun(EvidenceMissing(f"{error.what} {error.fix}"))
    except OSError as error:
        return ToolRun(EvidenceMissing(f"{stage.name} stopped: {type(error).__name__}: {error.strerror}"))


def _subject(platform: Platform, release: Release, stage: Stage, run: ToolRun) -> str | None:
    """The image that an attempt was about: the one it built, or the newest one for stages after it."""
    service = platform.service(release.service)
    if stage.kind is StageKind.IMAGE:
        return run.result.facts.get("digest") if isinstance(run.result, Evidence) else None
    image = next((each for each in service.stages if each.kind is StageKind.IMAGE), None)
    if image is None or image.name not in stages_before(service, stage):
        return None
    return image_digest(service, platform.evidence.latest(release.service, release.key))


def _announce(platform: Platform, release: Release, phase: Phase, run_id: str) -> bool:
    """Tell the pipeline that a phase is through, once it is; telling it twice is one event."""
    service = platform.service(release.service)
    if phase is Phase.PRODUCTION:
        return False
    verdict = judge_release(platform, release, [stage.name for stage in service.stages_of(phase)])
    if verdict.outcome is not Outcome.PASS:
        return False
    return platform.inbox.put(progress(PHASE_PASSED, release, phase, run_id, platform))
