"""What happens to a release becomes notices for the code host. Nothing is sent here, and nothing here stops a release.

Each stage is a check of its commit, except for rollouts, which are deployments of an environment. The commit as a whole
has one check more, and its pull request one comment (`report_commit`). Findings go to code scanning once continuous
integration has ended, of stages with evidence alone: an analysis that lacks what a tool could not tell would close
alerts that nobody has mended. Where no code host is connected, nothing is kept.
"""

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, RawReport, StageRecord
from shopkart_pipeline.domain.notice import Conclusion, DeploymentNotice, DeploymentState, ScanNotice
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.sarif_log import sarif_log
from shopkart_pipeline.domain.verdict import GateResult, Outcome, Verdict
from shopkart_pipeline.services.checkout_source import reference_of
from shopkart_pipeline.services.judge_release import stage_lines
from shopkart_pipeline.services.phase_state import phase_state
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed
from shopkart_pipeline.services.render_notices import ended_check, finished_check, running_check, words_of
from shopkart_pipeline.services.report_commit import note_concern, tell_commit, tell_pull_request
from shopkart_pipeline.services.requests import Accepted
from shopkart_pipeline.services.waivers import waived

_ROLLOUTS = frozenset({StageKind.STAGING, StageKind.PRODUCTION})
_SCANS = frozenset(
    {
        StageKind.LINT,
        StageKind.QUALITY,
        StageKind.SECRET_SCAN,
        StageKind.DEPENDENCY_SCAN,
        StageKind.APPLICATION,
        StageKind.IMAGE_SCAN,
        StageKind.PUBLISHED_IMAGE,
    }
)

P = ParamSpec("P")

log = logging.getLogger(__name__)


def _where_connected(tell: Callable[Concatenate[Platform, P], None]) -> Callable[Concatenate[Platform, P], None]:
    """Do nothing without a code host, and let no failure of telling reach who works on the release."""

    @wraps(tell)
    def told(platform: Platform, *args: P.args, **kwargs: P.kwargs) -> None:
        if platform.code_host is not None:
            try:
                tell(platform, *args, **kwargs)
            except Exception:
                log.exception("the code host will not be told of this by %s", tell.__name__)

    return told


@_where_connected
def accepted_commit(platform: Platform, accepted: Accepted) -> None:
    """Tell that a delivery was accepted: which services its commit concerns, and which it does not."""
    concern = note_concern(platform, accepted)
    if concern is not None:
        tell_commit(platform, concern.repository, concern.key)
    elif accepted.pull_request is not None:
        tell_pull_request(platform, accepted.pull_request)


@_where_connected
def stage_began(platform: Platform, release: Release, stage: Stage, run_id: str) -> None:
    """Tell that a stage runs."""
    now, url = platform.clock.now(), platform.run_url(run_id)
    if stage.kind in _ROLLOUTS:
        notice = _deployment(platform, release, stage, run_id, DeploymentState.IN_PROGRESS, "rolling out")
    else:
        notice = running_check(release, stage.name, now, url)
    platform.outbox.put([notice], now)


@_where_connected
def stage_ended(platform: Platform, release: Release, record: StageRecord, gates: tuple[GateResult, ...]) -> None:
    """Tell how a stage ended, and what that makes of the commit as a whole."""
    stage, now = platform.service(release.service).stage(record.stage), platform.clock.now()
    if stage.kind in _ROLLOUTS:
        passed = Verdict(gates).outcome is Outcome.PASS
        state = DeploymentState.SUCCESS if passed else DeploymentState.FAILURE
        notice = _deployment(platform, release, stage, record.run_id, state, words_of(record.result))
    else:
        notice = finished_check(release, record, gates, platform.run_url(record.run_id))
    platform.outbox.put([notice], now)
    if stage.phase is Phase.CI:
        _tell_findings(platform, release)
    tell_commit(platform, release.repository, release.key)


@_where_connected
def run_ended(platform: Platform, release: Release, run_id: str, *, cancelled: bool) -> None:
    """Tell that a run ended by being cancelled, by a stage that failed, or by the loss of its worker.

    Stages that had not ended by themselves end now; and what those that had ended found is told once more, because
    their worker may have been lost before it could.
    """
    records = platform.evidence.latest(release.service, release.key)
    for record in records.values():
        if record.run_id == run_id:
            stage_ended(platform, release, record, stage_lines(platform, release, record, records))
    reason = "the run was cancelled" if cancelled else "the run ended before the stage did"
    conclusion, now = Conclusion.CANCELLED if cancelled else Conclusion.FAILURE, platform.clock.now()
    service = platform.service(release.service)
    for start in platform.evidence.running(release.service, release.key):
        if start.run_id != run_id or start.stage not in {stage.name for stage in service.stages}:
            continue
        stage = service.stage(start.stage)
        if stage.kind in _ROLLOUTS:
            notice = _deployment(platform, release, stage, run_id, DeploymentState.FAILURE, reason)
        else:
            notice = ended_check(release, stage.name, conclusion, reason, platform.run_url(run_id))
        platform.outbox.put([notice], now)


@_where_connected
def rolled_back(platform: Platform, release: Release, placed: Placed, run_id: str, reason: str) -> None:
    """Tell that production is back at an earlier release, which makes the newer deployment inactive."""
    service = platform.service(release.service)
    for stage in service.stages:
        if stage.kind is StageKind.PRODUCTION:
            words = f"rolled back to {placed.release_key}: {reason}"
            notice = _deployment(platform, release, stage, run_id, DeploymentState.SUCCESS, words)
            platform.outbox.put([notice], platform.clock.now())


def _tell_findings(platform: Platform, release: Release) -> None:
    """Keep the findings for code scanning, once nothing is awaited any more in continuous integration."""
    service, records = platform.service(release.service), platform.evidence.latest(release.service, release.key)
    if phase_state(platform, release, Phase.CI, records).outcome is Outcome.MISSING:
        return
    scanned = [
        records[stage.name]
        for stage in service.stages_of(Phase.CI)
        if _is_scan(stage) and stage.name in records and isinstance(records[stage.name].result, Evidence)
    ]
    if not scanned:
        return
    document = json.dumps(sarif_log(scanned, waived(platform, release, records)), sort_keys=True).encode()
    report = platform.evidence.put_report(RawReport("findings.sarif", "application/sarif+json", document))
    proposed = release.pull_request
    ref = f"refs/heads/{release.branch}" if proposed is None else reference_of(platform, proposed)
    notice = ScanNotice(release.repository, release.sha, ref, f"shopkart/{service.name}", report.digest)
    platform.outbox.put([notice], platform.clock.now())


def _is_scan(stage: Stage) -> bool:
    return stage.kind in _SCANS or bool(stage.kind is StageKind.COMMAND and (stage.sarif or stage.checkstyle))


def _deployment(
    platform: Platform, release: Release, stage: Stage, run_id: str, state: DeploymentState, words: str
) -> DeploymentNotice:
    deployment = platform.deployment_of(platform.service(release.service), stage.phase)
    return DeploymentNotice(
        repository=release.repository,
        sha=release.sha,
        service=release.service,
        release_key=release.key,
        environment=_environment_name(platform, release, deployment.environment),
        is_production=stage.kind is StageKind.PRODUCTION,
        state=state,
        description=words[:140],
        run_id=run_id,
        log_url=platform.run_url(run_id),
        environment_url=deployment.url,
    )


def _environment_name(platform: Platform, release: Release, environment: str) -> str:
    """The environment, with the service where the repository has several: a deployment that succeeds makes older ones
    of its environment inactive, and services of one repository must not do that to each other."""
    return (
        environment
        if len(platform.pipeline.services_in(release.repository)) == 1
        else f"{environment}/{release.service}"
    )
