"""Back to the release before, by hand: no rebuild, no rescan, no new approval.

The request goes into the ledger first. A rollout that is under way is turned back by whoever drives it; if nobody
does any more, this command does. Otherwise stable takes the digest that was there before the current one, by the
cluster's own rolling update, the traffic first.
"""

from dataclasses import replace

from shopkart_pipeline.domain.declaration import Deployment, Phase, Service
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.rollout import FINAL_PHASES
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import ROLL_BACK, Placed, placements, record_placement
from shopkart_pipeline.services.roll_out import ABORT, drive, leased, workload_spec
from shopkart_pipeline.services.rollout_document import RolloutDocument, load


def roll_back(platform: Platform, service_name: str, actor: str, reason: str, run_id: str) -> Placed:
    """Bring production back to the release before, and return what runs there then.

    Raises:
        Refused: there is no earlier release to go back to.
    """
    service = platform.service(service_name)
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    site = platform.sites[deployment.environment]
    saved = load(site.cluster.load_rollout(deployment.environment, service_name))
    if saved is not None and saved.state.phase not in FINAL_PHASES:
        _ask(platform, deployment, service_name, saved, actor, reason)
        with leased(platform, deployment, service_name, run_id):
            return _finish(platform, deployment, service_name, run_id)
    with leased(platform, deployment, service_name, run_id):
        return _restore(platform, deployment, service, actor, reason)


def _ask(
    platform: Platform, deployment: Deployment, service: str, saved: RolloutDocument, actor: str, reason: str
) -> None:
    plan, now = saved.state.plan, platform.clock.now()
    body = {"environment": deployment.environment, "reason": reason}
    platform.ledger.append(Act(now, actor, ABORT, service, plan.release_key, plan.digest, body))


def _finish(platform: Platform, deployment: Deployment, service: str, run_id: str) -> Placed:
    """The lease is ours: either the driver has turned the rollout back, or it is gone and we do."""
    site = platform.sites[deployment.environment]
    saved = load(site.cluster.load_rollout(deployment.environment, service))
    if saved is not None and saved.state.phase not in FINAL_PHASES:
        release = platform.evidence.release(service, saved.state.plan.release_key)
        drive(platform, site, deployment, release, saved, run_id)
    return _current(platform, service, deployment)


def _current(platform: Platform, service: str, deployment: Deployment) -> Placed:
    history = placements(platform, service, deployment.environment)
    if not history:
        raise Refused(f"{service} was never released to {deployment.environment}.", "Release it first.")
    return history[-1]


def _restore(platform: Platform, deployment: Deployment, service: Service, actor: str, reason: str) -> Placed:
    environment, cluster = deployment.environment, platform.sites[deployment.environment].cluster
    history = placements(platform, service.name, environment)
    earlier = next((placed for placed in reversed(history[:-1]) if placed.digest != history[-1].digest), None)
    if earlier is None:
        raise Refused(f"{service.name} has no earlier release in {environment}.", "Release a fix instead.")
    release = platform.evidence.release(service.name, earlier.release_key)
    cluster.set_weight(environment, service.name, 0)
    cluster.apply(environment, service.name, Track.STABLE, workload_spec(service, deployment, release, earlier.digest))
    placed = replace(earlier, at=platform.clock.now(), how=ROLL_BACK)
    record_placement(platform, ROLL_BACK, service.name, environment, placed, actor, reason)
    return placed
