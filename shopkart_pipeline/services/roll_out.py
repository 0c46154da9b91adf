"""Bring a release unit, an image with its configuration, to an environment until it is released or rolled back.

Whoever comes after a worker that died finds the saved state: the same release goes on where it stopped, with the
clock of that phase set anew; another release first turns the unfinished one back. What only has to be brought to its
end (backwards, or into the evidence) is brought to its end, and not begun anew: people must not meet a version again
that was turned back a moment ago. `drive_rollout` ticks, `conclude_rollout` records the end.
"""

from dataclasses import replace
from functools import partial

from shopkart_pipeline.domain.declaration import Deployment, Phase, Service, Stage
from shopkart_pipeline.domain.drift import keeping_scale
from shopkart_pipeline.domain.errors import NotYet, Refused
from shopkart_pipeline.domain.evidence import Evidence, RawReport, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import FINAL_PHASES, RolloutPhase, RolloutPlan, abort, begin, resume
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline.services.conclude_rollout import conclude
from shopkart_pipeline.services.drive_rollout import drive, leased, note, patiently, tell_drift
from shopkart_pipeline.services.find_drift import drift_before
from shopkart_pipeline.services.past_rollouts import history_of_rollouts
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.request_production import wait_after_refusal
from shopkart_pipeline.services.rollout_document import RolloutDocument, dump, saved_rollout
from shopkart_pipeline.services.specify_workload import workload_spec
from shopkart_pipeline.services.summarise_verification import summarise_verification
from shopkart_pipeline.services.weigh_freeze import record_overrides

_BACKWARDS = frozenset({RolloutPhase.ROLLING_BACK, *FINAL_PHASES})


def roll_out(platform: Platform, release: Release, stage: Stage, digest: str, run_id: str) -> ToolRun:
    """Roll a digest out to the environment of a stage; see `conclude_rollout` for what it leaves behind.

    Args:
        platform: the ports.
        release: what the digest belongs to.
        stage: of kind staging or production.
        digest: the image, exactly as it was admitted; it is not looked up again.
        run_id: holds the lease.

    Raises:
        Refused: while this run waited for the lease, the leave to deploy was lost.
        Conflict: somebody else held or took the lease.
        ToolUnavailable: the cluster did not answer for longer than the deadline.
    """
    service = platform.service(release.service)
    deployment = platform.deployment_of(service, stage.phase)
    summary: tuple[RawReport, ...] = ()
    with leased(platform, deployment, service.name, run_id):
        document = patiently(platform, deployment, lambda: to_be_ended(platform, release, stage))
        if document is None or document.state.plan.digest != digest:
            summary = _authorise_again(platform, release, stage, digest, run_id)
            begun = partial(_begin_or_resume, platform, deployment, service, release, digest, run_id)
            document = patiently(platform, deployment, begun)
        else:
            document = replace(document, state=resume(document.state, platform.clock.now()))
        ended = drive(platform, deployment, release, document, run_id)
        told = patiently(platform, deployment, lambda: conclude(platform, deployment, release, ended, run_id))
        return replace(told, raw=(*told.raw, *summary))


def to_be_ended(platform: Platform, release: Release, stage: Stage) -> RolloutDocument | None:
    """The release's own rollout, if it goes backwards or has ended, and no evidence tells of it yet.

    To bring it to its end exposes nobody to anything, so it takes no leave to deploy.
    """
    deployment = platform.deployment_of(platform.service(release.service), stage.phase)
    cluster = platform.sites[deployment.environment].cluster
    saved = saved_rollout(cluster, deployment.environment, release.service)
    if saved is None or saved.state.plan.release_key != release.key or saved.state.phase not in _BACKWARDS:
        return None
    record = platform.evidence.latest(release.service, release.key).get(stage.name)
    told = record is not None and isinstance(record.result, Evidence) and record.finished_at >= saved.state.phase_since
    return None if told else saved


def _authorise_again(
    platform: Platform, release: Release, stage: Stage, digest: str, run_id: str
) -> tuple[RawReport, ...]:
    """The wait for the lease may take minutes, and the rollout that was waited for may have been this release's own.
    Returns the signed summary of what was verified."""
    if stage.phase is Phase.PRODUCTION:
        try:
            authorised = authorise_deploy(platform, release)
        except NotYet as refusal:
            wait_after_refusal(platform, release, refusal.what, run_id)
            raise
        if authorised.digest != digest:
            raise Refused(f"{release.name} is {authorised.digest} by now, not {digest}.", "Run production again.")
        record_overrides(platform, release, digest, authorised.overrides)
        environment = platform.environment_of(stage.phase).name
        return summarise_verification(platform, release, environment, authorised)
    return ()


def turn_back(
    platform: Platform, deployment: Deployment, service: str, saved: RolloutDocument, reason: str, holder: str
) -> None:
    """Bring a rollout that nobody drives to an end, backwards, and conclude it; the caller holds the lease."""
    release = platform.evidence.release(service, saved.state.plan.release_key)
    now = platform.clock.now()
    turned = replace(saved, state=abort(resume(saved.state, now), reason, now))
    ended = drive(platform, deployment, release, turned, holder)
    patiently(platform, deployment, lambda: conclude(platform, deployment, release, ended, holder))


def _begin_or_resume(
    platform: Platform, deployment: Deployment, service: Service, release: Release, digest: str, run_id: str
) -> RolloutDocument:
    cluster = platform.sites[deployment.environment].cluster
    declared = workload_spec(platform, service, deployment, release, digest)
    saved = saved_rollout(cluster, deployment.environment, service.name)
    if saved is not None and not saved.concluded:
        plan = saved.state.plan
        if plan.release_key == release.key and plan.unit.is_same(declared.unit):
            return _resume(platform, release, saved)
        other = release.name if plan.release_key != release.key else f"another configuration of {release.name}"
        turn_back(platform, deployment, service.name, saved, f"superseded by {other}", run_id)
    return _begin(platform, deployment, service, release, declared)


def _resume(platform: Platform, release: Release, saved: RolloutDocument) -> RolloutDocument:
    note(platform, release, "rollout", f"resumed in {saved.state.phase.value}", {})
    return replace(saved, state=resume(saved.state, platform.clock.now()))


def _begin(
    platform: Platform, deployment: Deployment, service: Service, release: Release, declared: WorkloadSpec
) -> RolloutDocument:
    cluster, now = platform.sites[deployment.environment].cluster, platform.clock.now()
    stable = cluster.observe(deployment.environment, service.name).stable
    drift = drift_before(platform, deployment, service.name, stable, declared.replicas)
    wanted = _around(keeping_scale(declared, stable.spec, drift.replicas), stable.spec) if stable else declared
    plan = RolloutPlan(
        release_key=release.key,
        digest=declared.digest,
        configuration=declared.configuration,
        previous_digest=stable.spec.digest if stable else None,
        previous_configuration=stable.spec.configuration if stable else None,
        previous_release_key=stable.spec.release_key if stable else None,
        steps=deployment.steps,
        deadline_seconds=deployment.deadline_seconds,
    )
    document = RolloutDocument(
        replace(begin(plan, now), stable_taken=stable is not None and stable.spec == wanted),
        wanted,
        stable.spec if stable else None,
        now,
        declared_replicas=declared.replicas,
        drift=drift.lines,
        history=history_of_rollouts(platform, service.name) if stable and deployment.steps else None,
    )
    cluster.save_rollout(deployment.environment, service.name, dump(document))
    tell_drift(platform, release, drift.lines)
    return document


def _around(wanted: WorkloadSpec, found: WorkloadSpec) -> WorkloadSpec:
    """What is wanted; a unit that runs already goes on under the release by which it came, so that nothing restarts."""
    if not wanted.unit.is_same(found.unit):
        return wanted
    return replace(wanted, release_key=found.release_key, commit=found.commit)
