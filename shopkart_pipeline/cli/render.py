"""`shopkart render ENVIRONMENT [SERVICE]`: what Kubernetes would be told, as YAML.

It is that of the release which the environment has, or of the image that is named, with the Jobs of its migrations. A
service with manifests of its own is rendered out of the release's commit; where that is not at hand, or for other ones,
a folder can be named.
"""

import argparse
import sys
from pathlib import Path

from shopkart_pipeline.adapters.kubernetes.job import render_jobs
from shopkart_pipeline.adapters.kubernetes.manifests import render, to_yaml
from shopkart_pipeline.adapters.kubernetes.names import Manifest, place_of
from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.declaration import MIGRATIONS, Environment, Service
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.job import JobSpec
from shopkart_pipeline.domain.wanted_workload import wanted_workload
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.services.checkout_source import tree
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current, placements

_UNRELEASED = "unreleased"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", metavar="ENVIRONMENT")
    parser.add_argument("service", metavar="SERVICE", nargs="?", help="default: every service")
    parser.add_argument("--digest", metavar="sha256:DIGEST", help="the image; default: what the environment has")
    words = "root of the repository for a service with manifests of its own; default: the release's commit"
    parser.add_argument("--tree", metavar="FOLDER", type=Path, help=words)


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    environment = _environment(platform, options.environment)
    services = [platform.service(options.service)] if options.service else list(platform.pipeline.services.values())
    for service in services:
        sys.stdout.write(to_yaml(_manifests(platform, environment, service, options.digest, options.tree)))
    return 0


def _environment(platform: Platform, name: str) -> Environment:
    try:
        return platform.pipeline.environments[name]
    except KeyError:
        known = ", ".join(platform.pipeline.environments)
        raise NotFound(f"No environment {name!r} is declared.", f"Declared are: {known}.") from None


def _manifests(
    platform: Platform, environment: Environment, service: Service, digest: str | None, folder: Path | None
) -> tuple[Manifest, ...]:
    key, commit, digest = _release(platform, environment, service, digest)
    place = place_of(environment, service.name, platform.registry.reference(service.name, digest))
    own = None
    if service.workload.manifests is not None and platform.manifests is not None:
        own = platform.manifests.read(folder or _tree(platform, service, key), service, environment)
    deployment = service.deployments[environment.name]
    wanted = wanted_workload(service, deployment, release_key=key, commit=commit, digest=digest, own=own)
    return (*render(place, wanted), *render_jobs(place, _migrations(service, environment, wanted)))


def _migrations(service: Service, environment: Environment, wanted: WorkloadSpec) -> list[JobSpec]:
    """The migrations there; a job that is really run has a hash at the end of its name."""
    of_phase = [stage for stage in service.stages_of(environment.phase) if stage.kind in MIGRATIONS]
    return [JobSpec(stage.name.rpartition("_")[2], wanted, stage.command, stage.timeout_seconds) for stage in of_phase]


def _release(
    platform: Platform, environment: Environment, service: Service, digest: str | None
) -> tuple[str, str, str]:
    """Key, commit and image of what is to be rendered."""
    if digest is None:
        placed = current(platform, service.name, environment.name)
        if placed is None:
            what = f"{environment.name} has no release of {service.name} yet."
            raise NotFound(what, "Name an image with `--digest`.")
        return placed.release_key, placed.commit, placed.digest
    for name in platform.pipeline.environments:
        for placed in reversed(placements(platform, service.name, name)):
            if placed.digest == digest:
                return placed.release_key, placed.commit, digest
    return _UNRELEASED, _UNRELEASED, digest


def _tree(platform: Platform, service: Service, key: str) -> Path:
    if key == _UNRELEASED:
        what = f"{service.name} has manifests of its own, and no release with this image is known."
        raise NotFound(what, "Say with `--tree` where its repository is.")
    return tree(platform, platform.evidence.release(service.name, key))
