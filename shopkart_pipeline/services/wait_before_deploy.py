"""What a release has to wait for before production, beside its own evidence: soaking in staging, and other services.

A release has soaked for as long as it stood in staging since it last came there; once another one takes staging, or it
is turned back there, its time stands still. A service that another one needs has to be in production by the ledger, so
what was only rolled out and turned back again doesn't count. Waiting holds no run open: production is refused with the
line, and asked for again later.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import Deployment, Phase, Service
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed, current, placements


def awaited_lines(platform: Platform, release: Release) -> tuple[str, ...]:
    """What production still has to wait for, one line each; none where nothing is awaited."""
    service = platform.service(release.service)
    staging = platform.deployment_of(service, Phase.STAGING)
    soak = _soak_line(platform, release, staging) if staging.soak_seconds else None
    return (*([soak] if soak else []), *_missing_services(platform, service))


def soaked_seconds(placed: Sequence[Placed], release_key: str, now: datetime) -> float | None:
    """How long a release has stood in an environment since it last came there; None where it never did.

    Args:
        placed: releases that took the environment, oldest first.
        release_key: which release.
        now: the time.
    """
    since = None
    until = now
    for each in placed:
        if each.release_key == release_key:
            since, until = each.at, now
        elif since is not None and until == now:
            until = each.at
    return None if since is None else max(0.0, (until - since).total_seconds())


def _soak_line(platform: Platform, release: Release, staging: Deployment) -> str | None:
    placed, now = placements(platform, release.service, staging.environment), platform.clock.now()
    wanted, soaked = staging.soak_seconds, soaked_seconds(placed, release.key, now)
    if soaked is not None and soaked >= wanted:
        return None
    if soaked is None:
        return f"soak: missing: {release.name} never stood in {staging.environment}"
    counted = f"soak: missing: {soaked:.0f} of {wanted:.0f} s in {staging.environment}"
    if placed[-1].release_key != release.key:
        return f"{counted}, then {placed[-1].release_key} took it; run staging again"
    over = now + timedelta(seconds=wanted - soaked)
    return f"{counted}, over at {over.isoformat(timespec='seconds')}; run production again then"


def _missing_services(platform: Platform, service: Service) -> tuple[str, ...]:
    environment = platform.environment_of(Phase.PRODUCTION).name
    missing = (name for name in service.depends_on if current(platform, name, environment) is None)
    return tuple(f"depends_on: missing: {name} is not in {environment}; release it first" for name in missing)
