"""Files that can be made again are kept for the newest releases only, and build caches to a declared size; evidence,
images and history are kept."""

import shutil
from pathlib import Path

from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import placements

KEPT_RELEASES = 20
KEPT_ENVIRONMENTS = 20
SCRATCH_AGE_SECONDS = 24 * 3600.0
BUILD_CACHE_BYTES = 20 << 30
"""What each image builder may keep for builds to come."""


def sweep_workspace(platform: Platform) -> int:
    """Remove what only older releases need; returns how many folders went."""
    work, removed = platform.workspace.home / "work", 0
    commits: set[str] = set()
    for service in platform.pipeline.services.values():
        releases = platform.evidence.releases(service.name, KEPT_RELEASES)
        commits |= {release.sha for release in releases}
        for environment in platform.pipeline.environments:
            commits |= {placed.commit for placed in placements(platform, service.name, environment)[-2:]}
        kept = {release.key for release in releases}
        removed += sum(_remove(path) for path in (work / "releases" / service.name).glob("*") if path.name not in kept)
    removed += sum(_remove(path) for path in (work / "trees").glob("*/*") if path.name not in commits)
    environments = sorted((work / "environments").glob("*"), key=_age, reverse=True)
    removed += sum(_remove(path) for path in environments[KEPT_ENVIRONMENTS:])
    oldest = platform.clock.now().timestamp() - SCRATCH_AGE_SECONDS
    for builder in platform.image_builders:
        if builder.unavailable() is None:
            builder.trim_cache(BUILD_CACHE_BYTES)
    return removed + sum(_remove(path) for path in (work / "scratch").glob("*") if _age(path) < oldest)


def _age(path: Path) -> float:
    """When it was made, in seconds since the epoch: larger is newer."""
    return path.stat().st_mtime


def _remove(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()
