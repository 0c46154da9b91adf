"""A team's own manifests are part of the release, on the platform that can make use of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Environment, Service
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.pod import OwnManifests
from shopkart_pipeline.ports.manifest_source import ManifestSource
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.specify_workload import workload_spec
from shopkart_pipeline_tests.fakes.world import World

DIGEST = f"sha256:{'a' * 64}"


class FakeManifests(ManifestSource):
    """Gives the text of one file as the manifests."""

    def read(self, tree: Path, service: Service, environment: Environment) -> OwnManifests | None:
        text = (tree / "backend" / "deploy.yaml").read_text(encoding="utf-8")
        if text == "broken":
            raise Refused("These can't be applied.", "Mend them.")
        return OwnManifests(text, 5, None)


def bringing(world: World, platform: str) -> Platform:
    """A platform on which the backend brings manifests of its own."""

    def bring(service: Service) -> Service:
        return replace(service, workload=replace(service.workload, manifests="."))

    world.declare("backend", bring)
    environments = {
        name: replace(environment, platform=platform) for name, environment in world.pipeline.environments.items()
    }
    world.pipeline = replace(world.pipeline, environments=environments)
    return replace(world.platform, manifests=FakeManifests())


@pytest.mark.parametrize(("name", "document", "replicas"), [("kubernetes", "first", 5), ("local", None, 2)])
def test_they_are_those_of_the_releases_commit_and_go_to_kubernetes_alone(
    tmp_path: Path, name: str, document: str | None, replicas: int
) -> None:
    world = World(tmp_path)
    platform = bringing(world, name)
    first = world.merge({"backend/deploy.yaml": "first"})
    world.merge({"backend/deploy.yaml": "second"})
    service = platform.service("backend")
    spec = workload_spec(platform, service, service.deployments["production"], first, DIGEST)
    assert (spec.own_manifests, spec.replicas) == (document, replicas)


def test_what_cannot_be_applied_stops_the_rollout_before_it_begins(tmp_path: Path) -> None:
    world = World(tmp_path)
    platform = bringing(world, "kubernetes")
    release = world.merge({"backend/deploy.yaml": "broken"})
    service = platform.service("backend")
    with pytest.raises(Refused, match="can't be applied"):
        workload_spec(platform, service, service.deployments["production"], release, DIGEST)
