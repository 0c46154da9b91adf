"""Which deployments are to be looked at: those that bake after a release, and by schedule whatever runs.

A look after a release has a number, which follows from the time since the release took the environment. So whoever
asks, and however often, there is one look in each interval; one that nobody asked for in time is left out.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Deployment, Service
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed, current

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HealthLook:
    """Please look at a release where it runs. Equal keys are one look."""

    key: str
    service: str
    environment: str
    release_key: str
    reason: str


def baking(platform: Platform) -> tuple[HealthLook, ...]:
    """Looks that are due now at what has just been released."""
    watched = frozenset(name for name, each in platform.pipeline.environments.items() if each.health is not None)
    return tuple(look for standing in _standing(platform, watched) for look in _due(platform, *standing))


def running(platform: Platform, occasion: str) -> tuple[HealthLook, ...]:
    """A look at everything that runs.

    Args:
        platform: the ports.
        occasion: tells one round of looks from another.
    """
    return tuple(
        HealthLook(
            f"health:{occasion}:{service.name}@{placed.release_key}:{deployment.environment}",
            service.name,
            deployment.environment,
            placed.release_key,
            "the schedule asks how it does",
        )
        for service, deployment, placed in _standing(platform, frozenset(platform.pipeline.environments))
    )


def _standing(platform: Platform, environments: frozenset[str]) -> Iterator[tuple[Service, Deployment, Placed]]:
    """What runs there and has objectives; one service's trouble hides no other's."""
    for service in platform.pipeline.services.values():
        for deployment in service.deployments.values():
            if not deployment.objectives or deployment.environment not in environments:
                continue
            try:
                placed = current(platform, service.name, deployment.environment)
            except PipelineError as error:
                log.warning("what runs of %s can't be told: %s", service.name, error)
                continue
            if placed is not None:
                yield service, deployment, placed


def _due(platform: Platform, service: Service, deployment: Deployment, placed: Placed) -> Iterator[HealthLook]:
    watch = platform.pipeline.environments[deployment.environment].health
    if watch is None:
        return
    seconds = (platform.clock.now() - placed.at).total_seconds()
    number = int(seconds // watch.every_seconds)
    if number >= 1 and number * watch.every_seconds <= watch.bake_seconds:
        yield HealthLook(
            f"health:{service.name}@{placed.release_key}:{deployment.environment}:{placed.at.isoformat()}:{number}",
            service.name,
            deployment.environment,
            placed.release_key,
            f"it was released {seconds:.0f} s ago and bakes for {watch.bake_seconds:g} s",
        )
