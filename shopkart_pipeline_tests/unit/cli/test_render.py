"""`shopkart render`: which release, which image, and whose manifests."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters.kubernetes.own_manifests import RepositoryManifests
from shopkart_pipeline.cli import render
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline_tests.fakes.world import World
from shopkart_pipeline_tests.rendered_manifests import DIGEST

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend}
spec:
  selector: {}
  template:
    metadata: {labels: {app: backend}}
    spec: {containers: [{name: web, image: web, ports: [{name: http}]}]}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def rendered(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> list[Any]:
    monkeypatch.setattr(render, "open_platform", lambda: replace(world.platform, manifests=RepositoryManifests()))
    parser = argparse.ArgumentParser()
    render.add_arguments(parser)
    assert render.run(parser.parse_args(list(arguments))) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def image_of(manifests: list[Any]) -> str:
    [deployment] = [each for each in manifests if each["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return container["image"]


def test_what_an_environment_has_is_rendered(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release = world.released()
    manifests = rendered(world, monkeypatch, capsys, "production", "backend")
    assert image_of(manifests) == f"backend@{world.digest(release)}"
    assert {each["metadata"]["namespace"] for each in manifests} == {"production"}
    [deployment] = [each for each in manifests if each["kind"] == "Deployment"]
    assert deployment["metadata"]["annotations"]["shopkart/release"] == release.key


def test_every_service_is_rendered_where_none_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests = rendered(world, monkeypatch, capsys, "staging", "--digest", DIGEST)
    names = [each["metadata"]["name"] for each in manifests if each["kind"] == "Deployment"]
    assert names == list(world.platform.pipeline.services)


def test_an_environment_without_a_release_needs_an_image(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotFound, match="production has no release of backend yet"):
        rendered(world, monkeypatch, capsys, "production", "backend")
    with pytest.raises(NotFound, match="Declared are: staging, production"):
        rendered(world, monkeypatch, capsys, "prodution")
    with pytest.raises(Refused, match="by its digest"):
        rendered(world, monkeypatch, capsys, "production", "backend", "--digest", "latest")


def test_a_teams_own_manifests_get_the_image_and_stay_as_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bring(service: Service) -> Service:
        return replace(service, workload=replace(service.workload, manifests="deploy/{environment}"))

    world.declare("backend", bring)
    release = world.released(files={"backend/deploy/production/web.yaml": DEPLOYMENT})
    deployment, service = rendered(world, monkeypatch, capsys, "production", "backend")
    assert service["kind"] == "Service"
    assert image_of([deployment]) == f"backend@{world.digest(release)}"
    assert deployment["spec"]["template"]["metadata"]["labels"]["app"] == "backend"
    with pytest.raises(NotFound, match="no release with this image is known"):
        rendered(world, monkeypatch, capsys, "production", "backend", "--digest", DIGEST)
