"""Back to the release before: no rebuild, no rescan, no new approval.

The request goes into the ledger first. A rollout that is under way is turned back by whoever drives it; if nobody
does any more, this command does. Otherwise stable takes the release unit that was there before the current one, image
and configuration as they ran then (`recall_workload`), by the cluster's own rolling update, the traffic first.
Releases that were themselves rolled back are no way back: asking twice goes two releases back, not forth again. Neither
is a release from before a migration that contracted the database (`contracted`): that is refused, at once and before
anything is changed. A rollout that is under way can always be turned back, because to contract comes after it.
"""

from dataclasses import replace

from shopkart_pipeline.domain.declaration import Deployment, Phase, Service
from shopkart_pipeline.domain.drift import keeping_scale
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import FINAL_PHASES, RolloutPhase
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.authenticate import proof_of
from shopkart_pipeline.services.contracted import ROLL_FORWARD, no_way_back
from shopkart_pipeline.services.drive_rollout import ABORT, leased, note, tell_drift
from shopkart_pipeline.services.find_drift import drift_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import (
    ROLL_BACK,
    Placed,
    before_current,
    current,
    record_placement,
    record_turn_back,
)
from shopkart_pipeline.services.recall_workload import keep_workload, recall_workload
from shopkart_pipeline.services.report_progress import rolled_back
from shopkart_pipeline.services.roll_out import turn_back
from shopkart_pipeline.services.rollout_document import RolloutDocument, saved_rollout
from shopkart_pipeline.services.specify_workload import workload_spec
from shopkart_pipeline.services.verify_attestations import provenance_line


def roll_back(
    platform: Platform, service_name: str, actor: str, reason: str, run_id: str, *, only: str | None = None
) -> Placed:
    """Bring production back to the release before, and return what runs there then.

    Args:
        platform: the ports.
        service_name: the service.
        actor: who asks.
        reason: why; goes into the ledger.
        run_id: identifies the attempt.
        only: the release that is to be taken back; if it is another one by now, nothing is done.

    Raises:
        Refused: there is no earlier release to go back to, or not `only` is what would be taken back.
    """
    service = platform.service(service_name)
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    _check_target(platform, service_name, only)
    under_way = _saved(platform, deployment, service_name)
    if under_way is not None and under_way.state.phase not in FINAL_PHASES:
        _ask(platform, deployment, service_name, under_way, actor, reason)
    else:
        if under_way is None or under_way.concluded:
            _earlier(platform, deployment, service_name)
        under_way = None
    with leased(platform, deployment, service_name, run_id):
        _turn_back_leftover(platform, deployment, service_name, reason, run_id)
        if under_way is not None and not _got_through(platform, deployment, service_name, under_way):
            return _standing(platform, deployment, service_name)
        _check_target(platform, service_name, only)
        return _restore(platform, deployment, service, actor, reason, run_id)


def to_be_taken_back(platform: Platform, service_name: str) -> str | None:
    """The release that a rollback would take back now: the one on its way, else the one that is in production."""
    deployment = platform.deployment_of(platform.service(service_name), Phase.PRODUCTION)
    saved = _saved(platform, deployment, service_name)
    if saved is not None and saved.state.phase not in FINAL_PHASES:
        return saved.state.plan.release_key
    placed = current(platform, service_name, deployment.environment)
    return placed.release_key if placed is not None else None


def _check_target(platform: Platform, service_name: str, only: str | None) -> None:
    if only is None:
        return
    target = to_be_taken_back(platform, service_name)
    if target != only:
        what = f"{service_name}@{target} is in production, or on its way there," if target else "Nothing runs there,"
        raise Refused(
            f"{what} and not {only}: nothing was rolled back.", "Roll back what runs there, if it is at fault."
        )


def roll_back_abandoned(platform: Platform, service_name: str, release_key: str, run_id: str) -> bool:
    """Turn a rollout back that nobody drives any more; False if by now it has ended or somebody drives it."""
    deployment = platform.deployment_of(platform.service(service_name), Phase.PRODUCTION)
    with leased(platform, deployment, service_name, run_id):
        saved = _saved(platform, deployment, service_name)
        if saved is None or saved.concluded or saved.state.plan.release_key != release_key:
            return False
        turn_back(platform, deployment, service_name, saved, "its worker was lost", run_id)
        return True


def _saved(platform: Platform, deployment: Deployment, service: str) -> RolloutDocument | None:
    cluster = platform.sites[deployment.environment].cluster
    return saved_rollout(cluster, deployment.environment, service)


def _ask(
    platform: Platform, deployment: Deployment, service: str, saved: RolloutDocument, actor: str, reason: str
) -> None:
    plan, now = saved.state.plan, platform.clock.now()
    body = {"environment": deployment.environment, "reason": reason, **proof_of(actor)}
    platform.ledger.append(Act(now, str(actor), ABORT, service, plan.release_key, plan.digest, body))


def _turn_back_leftover(platform: Platform, deployment: Deployment, service: str, reason: str, run_id: str) -> None:
    """The lease is ours: either the driver has ended the rollout, or it is gone and we do."""
    saved = _saved(platform, deployment, service)
    if saved is not None and not saved.concluded:
        turn_back(platform, deployment, service, saved, f"turned back on request: {reason}", run_id)


def _got_through(platform: Platform, deployment: Deployment, service: str, asked: RolloutDocument) -> bool:
    """Whether the rollout that was to be turned back was released all the same, a moment before anybody saw."""
    saved = _saved(platform, deployment, service)
    same = saved is not None and saved.started_at == asked.started_at
    return same and saved is not None and saved.state.phase is RolloutPhase.RELEASED


def _standing(platform: Platform, deployment: Deployment, service: str) -> Placed:
    placed = current(platform, service, deployment.environment)
    if placed is None:
        raise Refused(
            f"{service} was turned back; no release ran in {deployment.environment} before.", "Release a fix."
        )
    return placed


def _earlier(platform: Platform, deployment: Deployment, service: str) -> tuple[Placed, Placed]:
    """The release that leaves and the one to go back to; raises `Refused` where there is no way back."""
    environment = deployment.environment
    leaving, earlier = current(platform, service, environment), before_current(platform, service, environment)
    if leaving is None or earlier is None:
        raise Refused(f"{service} has no earlier release in {environment}.", "Release a fix instead.")
    closed = no_way_back(platform, service, environment, earlier)
    if closed is not None:
        raise Refused(f"{service} can't be rolled back: {closed}.", ROLL_FORWARD)
    return leaving, earlier


def _restore(
    platform: Platform, deployment: Deployment, service: Service, actor: str, reason: str, run_id: str
) -> Placed:
    environment, cluster = deployment.environment, platform.sites[deployment.environment].cluster
    leaving, earlier = _earlier(platform, deployment, service.name)
    release = platform.evidence.release(service.name, earlier.release_key)
    doubt = provenance_line(platform, release, earlier.digest)
    if doubt is not None:
        note(platform, release, "rollout", f"back to an image that is not proved: {doubt}", {"action": "roll_back"})
    wanted = _as_it_ran(platform, deployment, service, release, earlier)
    now, stable = platform.clock.now(), cluster.observe(environment, service.name).stable
    record_turn_back(platform, service.name, environment, replace(leaving, at=now), actor, reason)
    cluster.set_weight(environment, service.name, 0)
    drift = drift_before(platform, deployment, service.name, stable, wanted.replicas)
    tell_drift(platform, release, drift.lines)
    if stable is not None:
        wanted = keeping_scale(wanted, stable.spec, drift.replicas)
    cluster.apply(environment, service.name, Track.STABLE, wanted)
    placed = keep_workload(platform, replace(earlier, at=platform.clock.now(), how=ROLL_BACK), wanted)
    record_placement(platform, ROLL_BACK, service.name, environment, placed, actor, reason)
    rolled_back(platform, release, placed, run_id, reason)
    return placed


def _as_it_ran(
    platform: Platform, deployment: Deployment, service: Service, release: Release, earlier: Placed
) -> WorkloadSpec:
    """The workload of an earlier release; as declared today where nobody kept what it ran as, and that is said."""
    recalled = recall_workload(platform, deployment, service.name, earlier)
    if recalled is not None:
        return recalled
    text = "what it ran with was not recorded: it goes back with the configuration that is declared today"
    note(platform, release, "rollout", text, {"action": "roll_back"})
    return workload_spec(platform, service, deployment, release, earlier.digest)
