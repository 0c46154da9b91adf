"""What only a real server shows: who is let in, what is sent again, and what is mounted instead of sent."""

import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters._blob_places import BlobPlaces
from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.contract.registry_server import running_registry

_ROBOT = "robot:$2y$04$abcdefghijklmnopqrstuuPoaPXzWjiVz4HaNq2LJXksWbO79E.S6\n"
"""The password is `correct-horse`."""


class Line(httpx.HTTPTransport):
    """The line to a server: counts what is sent, and may break."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        """Digests of blobs that were sent whole."""
        self.mounted: list[str] = []
        self.breaks_at: str | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.breaks_at is not None and self.breaks_at in request.url.path and request.method == "PUT":
            raise httpx.WriteError("the line is cut", request=request)
        response = super().handle_request(request)
        if request.method == "PUT" and "/blobs/" in request.url.path and response.status_code == 201:
            self.sent.append(request.url.params["digest"])
        if request.method == "POST" and response.status_code == 201:
            self.mounted.append(request.url.params["mount"])
        return response


class World:
    """A server, and registries of pipelines that share a home."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.clients: list[HttpClient] = []

    def registry(self, line: Line) -> OciHttpRegistry:
        client = HttpClient("The registry", self.address, transport=line, pause=lambda _: None)
        self.clients.append(client)
        return OciHttpRegistry(client, "registry", BlobPlaces(self.folder / "places", self.address))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_registry(tmp_path / "registry") as address:
        world = World(address, tmp_path)
        yield world
        for client in world.clients:
            client.close()


@pytest.fixture
def image(tmp_path: Path) -> BuiltImage:
    """An image with a large layer of dependencies and a small one of the application."""
    noise = random.Random(7).randbytes(1_200_000).hex()
    files = {"deps/noise.txt": noise, "app/a.py": "VERSION = 1\n"}
    built = OciLayoutBuilder(tmp_path / "cache").build(a_request(tmp_path / "image", files=files))
    assert isinstance(built, BuiltImage)
    return built


def large_and_small(image: BuiltImage) -> tuple[set[str], set[str]]:
    blobs = read_manifest(image.layout).blobs
    large = {blob.digest for blob in blobs if blob.size_bytes >= 1 << 20}
    return large, {blob.digest for blob in blobs} - large


def test_a_large_layer_that_another_service_has_pushed_is_mounted(world: World, image: BuiltImage) -> None:
    world.registry(Line()).push(image.layout, "shop/backend", "1")
    line = Line()
    registry = world.registry(line)

    registry.push(image.layout, "shop/frontend", "1")

    large, small = large_and_small(image)
    assert set(line.mounted) == large
    assert set(line.sent) == small
    assert registry.has("shop/frontend", image.digest)


@pytest.mark.parametrize("broken_at", ["/manifests/", "/blobs/"])
def test_a_push_that_was_cut_off_sends_what_did_not_arrive(world: World, image: BuiltImage, broken_at: str) -> None:
    first, second = Line(), Line()
    first.breaks_at = broken_at
    with pytest.raises(ToolUnavailable, match="the line is cut"):
        world.registry(first).push(image.layout, "shop/backend", "1")

    world.registry(second).push(image.layout, "shop/backend", "1")

    everything = set().union(*large_and_small(image))
    assert set(first.sent) == (everything if broken_at == "/manifests/" else set())
    assert set(second.sent) == everything - set(first.sent)


def test_a_registry_lets_in_who_has_its_password(image: BuiltImage, tmp_path: Path) -> None:
    with running_registry(tmp_path / "registry", users=_ROBOT) as address:
        right = OciHttpRegistry.at(address, ("robot", "correct-horse"), tmp_path / "places")
        wrong = OciHttpRegistry.at(address, ("robot", "battery-staple"), tmp_path / "places")
        nobody = OciHttpRegistry.at(address, None, tmp_path / "places")

        assert right.push(image.layout, "shop/backend", "1") == image.digest
        for registry in (wrong, nobody):
            with pytest.raises(ToolUnavailable, match="answered 401") as refusal:
                registry.push(image.layout, "shop/backend", "1")
            assert "credentials" in refusal.value.fix
            assert "battery-staple" not in str(refusal.value)
        for registry in (right, wrong, nobody):
            registry.close()
