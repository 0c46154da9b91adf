"""What a release has to wait for before production, beside its own evidence: soaking in staging, and other services.

A release has soaked for as long as it stood in staging since it last came there; once another one takes staging, or it
is turned back there, its time stands still. A service that another one needs has to be in production by the ledger, so
what was only rolled out and turned back again doesn't count. Waiting holds no run open: production is refused with the
line, and `ask_again` asks for it once nothing is awaited any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.awaited import Awaited
from shopkart_pipeline.domain.declaration import Deployment, Phase, Service
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed, current, newest_placements


def awaited(platform: Platform, release: Release) -> tuple[Awaited, ...]:
    """What production still has to wait for; nothing where nothing is awaited."""
    service = platform.service(release.service)
    staging = platform.deployment_of(service, Phase.STAGING)
    soak = _soak(platform, release, staging) if staging.soak_seconds else None
    return (*([soak] if soak else []), *_missing_services(platform, service))


@dataclass(frozen=True)
class Stay:
    """How long a release stood in an environment since it last came there."""

    seconds: float
    taken_by: str | None = None
    """The release that took the environment from it, if one did."""


def last_stay(newest_first: Iterable[Placed], release_key: str, now: datetime) -> Stay | None:
    """The last stay of a release in an environment; None where it never came there.

    Args:
        newest_first: releases that took the environment; read only as far as to the release.
        release_key: which release.
        now: the time.
    """
    newer: Placed | None = None
    for placed in newest_first:
        if placed.release_key == release_key:
            until = now if newer is None else newer.at
            return Stay(max(0.0, (until - placed.at).total_seconds()), newer.release_key if newer else None)
        newer = placed
    return None


def _soak(platform: Platform, release: Release, staging: Deployment) -> Awaited | None:
    environment, wanted, now = staging.environment, staging.soak_seconds, platform.clock.now()
    stay = last_stay(newest_placements(platform, release.service, environment), release.key, now)
    if stay is None:
        return Awaited(f"soak: missing: {release.name} never stood in {environment}", passes=False)
    if stay.seconds >= wanted:
        return None
    counted = f"soak: missing: {stay.seconds:.0f} of {wanted:.0f} s in {environment}"
    if stay.taken_by is not None:
        return Awaited(f"{counted}, then {stay.taken_by} took it; run staging again", passes=False)
    over = now + timedelta(seconds=wanted - stay.seconds)
    return Awaited(f"{counted}, over at {over.isoformat(timespec='seconds')}", over)


def _missing_services(platform: Platform, service: Service) -> tuple[Awaited, ...]:
    environment = platform.environment_of(Phase.PRODUCTION).name
    missing = (name for name in service.depends_on if current(platform, name, environment) is None)
    return tuple(Awaited(f"depends_on: missing: {name} is not in {environment}; release it first") for name in missing)
