"""Rollouts that nobody drives any more: their worker was killed, cancelled or lost.

Running the release again resumes such a rollout. If nobody does so for a while, it is turned back: a canary that is
not being watched must not keep its traffic.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rollout_document import saved_rollout

GRACE_SECONDS = 60.0
_PROBE = "abandoned-rollout-probe"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Abandoned:
    """A rollout that nobody drives."""

    service: str
    release_key: str

    @property
    def name(self) -> str:
        return f"{self.service}@{self.release_key}"


def abandoned_rollouts(platform: Platform) -> tuple[Abandoned, ...]:
    """Rollouts in production that are not concluded and whose lease is free. What does not answer has none to tell,
    and one service's trouble hides no other's."""
    found: list[Abandoned] = []
    for service in platform.pipeline.services.values():
        environment = platform.environment_of(Phase.PRODUCTION).name
        cluster, now = platform.sites[environment].cluster, platform.clock.now()
        try:
            saved = saved_rollout(cluster, environment, service.name)
            if saved is None or saved.concluded:
                continue
            if cluster.acquire_lease(environment, service.name, _PROBE, 1.0, now):
                cluster.release_lease(environment, service.name, _PROBE)
                found.append(Abandoned(service.name, saved.state.plan.release_key))
        except PipelineError as error:
            log.warning("%s in %s can't be looked after: %s", service.name, environment, error)
    return tuple(found)


def overdue(
    abandoned: tuple[Abandoned, ...], first_seen: Mapping[str, datetime], now: datetime
) -> tuple[tuple[Abandoned, ...], dict[str, datetime]]:
    """Which of them have been abandoned for longer than the grace, and since when each has been."""
    seen = {each.name: first_seen.get(each.name, now) for each in abandoned}
    late = tuple(each for each in abandoned if now - seen[each.name] > timedelta(seconds=GRACE_SECONDS))
    return late, seen
