"""What somebody changed by hand between rollouts: what runs, beside what the ledger says and the last rollout left.

A rollout that begins names it before it changes anything, and production is looked at now and then while nothing is
under way. What was found is noted once with the release that is there, so that `shopkart show` tells it, and that it is
gone is noted as well. Nothing is mended: whoever changed something by hand had a reason.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Deployment, Phase
from shopkart_pipeline.domain.drift import Expected, by_hand_line, drift_at_rest, scale_line, unit_line
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.workload import WorkloadStatus
from shopkart_pipeline.services.drive_rollout import note
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed, current
from shopkart_pipeline.services.rollout_document import saved_rollout

GONE = "drift is gone: what runs is what the pipeline put there"
_PROBE = "drift-probe"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DriftBefore:
    """What a rollout finds changed as it begins."""

    lines: tuple[str, ...]
    replicas: Collection[int]
    """The numbers of stable's replicas that nobody chose by hand."""


def drift_before(
    platform: Platform, deployment: Deployment, service: str, stable: WorkloadStatus | None, declared: int
) -> DriftBefore:
    """What somebody changed since the last rollout ended.

    Args:
        platform: the ports.
        deployment: how the service is declared for the environment.
        service: name of the service.
        stable: as observed now.
        declared: how many replicas are declared now; what is declared anew holds, whatever somebody chose before.
    """
    if stable is None:
        return DriftBefore((), ())
    saved = saved_rollout(platform.sites[deployment.environment].cluster, deployment.environment, service)
    unchanged = saved is not None and saved.declared_replicas == declared
    replicas = (declared,) if unchanged else (stable.spec.replicas,)
    placed = current(platform, service, deployment.environment)
    unit = None if placed is None else unit_line(stable.spec.unit, placed.unit)
    lines = (unit, by_hand_line(stable), scale_line(stable.spec, replicas))
    return DriftBefore(tuple(line for line in lines if line), replicas)


def note_drift(platform: Platform) -> tuple[str, ...]:
    """Note what has newly drifted in production, or is as it was again; returns the new notes. What does not answer
    has nothing to tell, and one service's trouble hides no other's."""
    told: list[str] = []
    for service in platform.pipeline.services:
        try:
            told += _note(platform, service)
        except PipelineError as error:
            log.warning("drift of %s can't be seen: %s", service, error)
    return tuple(told)


def _note(platform: Platform, service: str) -> list[str]:
    """Looks twice where there is news: what was seen first may be the doing of a rollout that has just begun."""
    deployment = platform.deployment_of(platform.service(service), Phase.PRODUCTION)
    environment, cluster = deployment.environment, platform.sites[deployment.environment].cluster
    if _news(platform, service, environment) is None:
        return []
    if not cluster.acquire_lease(environment, service, _PROBE, 1.0, platform.clock.now()):
        return []  # Somebody of ours is changing it.
    try:
        news = _news(platform, service, environment)
    finally:
        cluster.release_lease(environment, service, _PROBE)
    if news is None:
        return []
    placed, line = news
    note(platform, platform.evidence.release(service, placed.release_key), "rollout", line, {"action": "drift"})
    return [line]


def _news(platform: Platform, service: str, environment: str) -> tuple[Placed, str] | None:
    """The release that is there, and what is told of it now and was not before; None where nothing is new, or a rollout
    is under way."""
    cluster = platform.sites[environment].cluster
    placed, saved = current(platform, service, environment), saved_rollout(cluster, environment, service)
    if placed is None or (saved is not None and not saved.concluded):
        return None
    declared = None if saved is None else saved.declared_replicas
    expected = Expected(placed.unit, () if declared is None else (declared,))
    line = "; ".join(drift_at_rest(expected, cluster.observe(environment, service))) or GONE
    notes = platform.evidence.notes(service, placed.release_key, "rollout")
    before = next((each.message for each in reversed(notes) if each.data.get("action") == "drift"), GONE)
    return None if line == before else (placed, line)
