"""Files that can be made again are kept for the newest releases only, and build caches to a declared size; evidence,
images and history are kept. Of webhooks that were acted upon, id and outcome are kept, and the body for a while; what
the code host was told is kept for a while.

Runs may wait long for their turn, so an older release may be the one that is at work: what was touched a short while
ago stays, too.
"""

import shutil
from collections.abc import Iterable
from datetime import timedelta
from itertools import islice
from pathlib import Path

from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import newest_placements

KEPT_RELEASES = 20
KEPT_PLACEMENTS = 2
KEPT_ENVIRONMENTS = 20
WORK_AGE_SECONDS = 6 * 3600.0
SCRATCH_AGE_SECONDS = 24 * 3600.0
WEBHOOK_BODY_AGE = timedelta(days=7)
"""After it was acted upon; GitHub delivers again for three days."""
NOTICE_AGE = timedelta(days=90)
"""After it arrived at the code host, or was given up. What is told of an older release afterwards makes new things."""
BUILD_CACHE_BYTES = 20 << 30
"""What each image builder may keep for builds to come."""


def sweep_workspace(platform: Platform) -> int:
    """Remove what only older releases need; returns how many folders went."""
    work, removed, now = platform.workspace.home / "work", 0, platform.clock.now().timestamp()
    commits: set[str] = set()
    for service in platform.pipeline.services.values():
        releases = platform.evidence.releases(service.name, KEPT_RELEASES)
        commits |= {release.sha for release in releases}
        for environment in platform.pipeline.environments:
            newest = newest_placements(platform, service.name, environment)
            commits |= {placed.commit for placed in islice(newest, KEPT_PLACEMENTS)}
        kept = {release.key for release in releases}
        removed += _remove_old((work / "releases" / service.name).glob("*"), kept, now - WORK_AGE_SECONDS)
    removed += _remove_old((work / "trees").glob("*/*"), commits, now - WORK_AGE_SECONDS)
    for shared in ("environments", "packages/builders"):
        environments = sorted((work / shared).glob("*"), key=_age, reverse=True)
        removed += _remove_old(environments[KEPT_ENVIRONMENTS:], set(), now - WORK_AGE_SECONDS)
    platform.inbox.drop_bodies(platform.clock.now() - WEBHOOK_BODY_AGE)
    platform.outbox.forget(platform.clock.now() - NOTICE_AGE)
    if platform.notifications is not None:
        platform.notifications.forget(platform.clock.now() - NOTICE_AGE)
    for builder in platform.image_builders:
        if builder.unavailable() is None:
            builder.trim_cache(BUILD_CACHE_BYTES)
    removed += _remove_old((work.parent / "private").glob("docker-*"), set(), now - SCRATCH_AGE_SECONDS)
    return removed + _remove_old((work / "scratch").glob("*"), set(), now - SCRATCH_AGE_SECONDS)


def _remove_old(paths: Iterable[Path], kept: set[str], oldest: float) -> int:
    """Remove those that are not to be kept and were not touched since `oldest`; returns how many went."""
    return sum(_remove(path) for path in paths if path.name not in kept and _age(path) < oldest)


def _age(path: Path) -> float:
    """When it was touched last, in seconds since the epoch: larger is newer."""
    return path.stat().st_mtime


def _remove(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()
