"""The version that is in production runs for a while beside what is in staging: for tests of compatibility on staging's
data, or on what a recovery drill has restored.

It is there while its lease is held, and the lease is renewed for as long as somebody looks at it, so two releases of a
service never share one. What a killed worker has left is replaced by the next one to come, or removed by the sweep,
once its lease has run out.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Event, Thread

from shopkart_pipeline.domain.companion import companion_name, companion_workload, on_database, restored_name
from shopkart_pipeline.domain.declaration import Deployment, Phase, Service, StageKind
from shopkart_pipeline.domain.errors import Conflict, PipelineError, ToolUnavailable
from shopkart_pipeline.domain.wanted_workload import wanted_workload
from shopkart_pipeline.domain.workload import Track, WorkloadSpec, WorkloadStatus
from shopkart_pipeline.services.drive_rollout import LEASE_SECONDS, TICK_SECONDS, keep_lease, leased, patiently
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed
from shopkart_pipeline.services.recall_workload import recall_workload

_SWEEPER = "companion-sweep"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Companion:
    """The running version beside the new one, ready."""

    name: str
    url: str


@contextmanager
def companion(platform: Platform, service: Service, placed: Placed, holder: str) -> Generator[Companion]:
    """Have the version that is in production beside the new one, and remove it whatever happens.

    Args:
        platform: the ports.
        service: as declared.
        placed: the release that is in production.
        holder: identifies the attempt.

    Raises:
        ToolUnavailable: it can't be started, was not there all the time, or the cluster does not answer.
        NotFound: the registry no longer holds its image.
        Conflict: another release is tested beside it, for longer than that may take.
    """
    wanted = companion_workload(service.name, _in_production(platform, service, placed))
    with _beside(platform, service, companion_name(service.name), wanted, placed, holder) as running:
        yield running


@contextmanager
def on_restored(
    platform: Platform, service: Service, placed: Placed, address: str, holder: str
) -> Generator[Companion]:
    """As `companion`, on a database that was restored and whose address is given."""
    wanted = on_database(companion_workload(service.name, _in_production(platform, service, placed)), address)
    with _beside(platform, service, restored_name(service.name), wanted, placed, holder) as running:
        yield running


@contextmanager
def _beside(
    platform: Platform, service: Service, name: str, wanted: WorkloadSpec, placed: Placed, holder: str
) -> Generator[Companion]:
    deployment = platform.deployment_of(service, Phase.STAGING)
    environment = deployment.environment
    cluster = platform.sites[environment].cluster
    with leased(platform, deployment, name, holder), _renewed(platform, deployment, name, holder):
        try:
            patiently(platform, deployment, partial(cluster.apply, environment, name, Track.STABLE, wanted))
            yield Companion(name, _address(platform, deployment, name, placed))
            keep_lease(platform, deployment, name, holder)
            _check_there(cluster.observe(environment, name).stable, name, placed)
        finally:
            patiently(platform, deployment, partial(cluster.remove, environment, name, Track.STABLE))


def remove_companions(platform: Platform) -> tuple[str, ...]:
    """Remove what nobody holds any more; returns what went. One service's trouble hides no other's."""
    removed: list[str] = []
    for service in platform.pipeline.services.values():
        for name in _names(platform, service):
            try:
                removed += _remove_left(platform, service, name)
            except PipelineError as error:
                log.warning("%s can't be looked after: %s", name, error)
    return tuple(removed)


def _names(platform: Platform, service: Service) -> list[str]:
    """What may have been left of a service."""
    names = [companion_name(service.name)] if service.stage_of(StageKind.COMPATIBILITY) else []
    drilled = any(each.service == service.name for each in platform.pipeline.recovery.databases.values())
    return [*names, restored_name(service.name)] if drilled else names


def _remove_left(platform: Platform, service: Service, name: str) -> list[str]:
    environment = platform.deployment_of(service, Phase.STAGING).environment
    cluster = platform.sites[environment].cluster
    left = cluster.observe(environment, name).stable
    if left is None or left.spec.replicas == 0:
        return []
    if not cluster.acquire_lease(environment, name, _SWEEPER, LEASE_SECONDS, platform.clock.now()):
        return []
    cluster.remove(environment, name, Track.STABLE)
    cluster.release_lease(environment, name, _SWEEPER)
    return [f"{name} was left in {environment} by a run that ended too early, and is removed"]


def _in_production(platform: Platform, service: Service, placed: Placed) -> WorkloadSpec:
    """What it runs as in production; where nobody kept that, what it would run as today."""
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    kept = recall_workload(platform, deployment, service.name, placed)
    return kept or wanted_workload(
        service, deployment, release_key=placed.release_key, commit=placed.commit, digest=placed.digest
    )


@contextmanager
def _renewed(platform: Platform, deployment: Deployment, name: str, holder: str) -> Generator[None]:
    """Renew a lease beside work that can't do so itself; that it was lost is seen afterwards."""
    over = Event()

    def renew() -> None:
        while not over.wait(LEASE_SECONDS / 3):
            with suppress(Conflict, ToolUnavailable):
                keep_lease(platform, deployment, name, holder)

    keeper = Thread(target=renew, name=f"lease-{name}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _address(platform: Platform, deployment: Deployment, name: str, placed: Placed) -> str:
    cluster, environment = platform.sites[deployment.environment].cluster, deployment.environment
    deadline = platform.clock.now() + timedelta(seconds=deployment.deadline_seconds)
    while True:
        status = patiently(platform, deployment, partial(cluster.observe, environment, name))
        if status.stable is not None and status.stable.complete and status.url:
            return status.url
        failure = status.stable.failure if status.stable is not None else None
        if failure is not None or platform.clock.now() > deadline:
            why = failure or f"it was not ready within {deployment.deadline_seconds:.0f} s"
            raise ToolUnavailable(
                f"{placed.release_key}, which is in production, does not start in {environment}: {why}.",
                "Look at its log.",
            )
        platform.clock.sleep(TICK_SECONDS)


def _check_there(status: WorkloadStatus | None, name: str, placed: Placed) -> None:
    if status is None or status.spec.digest != placed.digest or not status.complete:
        raise ToolUnavailable(f"{name} was not there all the time: the tests prove nothing.", "Run the stage again.")
