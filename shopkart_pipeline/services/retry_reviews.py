"""An outage of the code host must not stop a release for good: its stage `code_review` is run again once it ended
without an answer, until there is one. What lacks a permission, or was answered badly, waits for somebody to act.
"""

from datetime import timedelta

from shopkart_pipeline.domain.declaration import Service, Stage, StageKind
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.collect_reviews import UNANSWERED
from shopkart_pipeline.services.missed_events import RECONCILIATION
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rerun_stages import ask_for_rerun

_NEWEST = 5
"""Releases of a service that are looked at; older ones have been overtaken."""
_LONGEST = timedelta(days=1)


def retry_reviews(platform: Platform) -> tuple[str, ...]:
    """Have the stage run again where the code host did not answer; asked once for each attempt that ended so."""
    if platform.code_reader is None:
        return ()
    asked: list[str] = []
    for service in platform.pipeline.services.values():
        for stage in service.stages:
            if stage.kind is StageKind.CODE_REVIEW:
                asked += [_ask(platform, stage, release, run) for release, run in _unanswered(platform, service, stage)]
    return tuple(asked)


def _unanswered(platform: Platform, service: Service, stage: Stage) -> list[tuple[Release, str]]:
    """Releases whose last attempt ended without an answer, with the run of that attempt."""
    found: list[tuple[Release, str]] = []
    for release in platform.evidence.releases(service.name, _NEWEST):
        record = platform.evidence.latest(service.name, release.key).get(stage.name)
        if record is None or not isinstance(record.result, EvidenceMissing):
            continue
        is_running = any(start.stage == stage.name for start in platform.evidence.running(service.name, release.key))
        is_recent = platform.clock.now() - record.finished_at <= _LONGEST
        if record.result.reason.startswith(UNANSWERED) and is_recent and not is_running:
            found.append((release, record.run_id))
    return found


def _ask(platform: Platform, stage: Stage, release: Release, run_id: str) -> str:
    ask_for_rerun(
        platform,
        release,
        stage.name,
        actor=RECONCILIATION,
        no_reuse=False,
        asked_in=f"unanswered:{release.name}:{run_id}",
    )
    return f"{release.name}: {stage.name} is run again, because {UNANSWERED} in run {run_id}"
