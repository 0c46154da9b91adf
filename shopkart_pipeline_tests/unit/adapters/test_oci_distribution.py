"""The distribution protocol with registries that lie, forget, or point elsewhere."""

import random
import threading
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters._blob_places import BlobPlaces
from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters._oci_documents import Descriptor
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.domain.errors import Conflict, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.fake_distribution import FakeDistribution


@pytest.fixture
def server() -> FakeDistribution:
    return FakeDistribution()


def a_registry(server: FakeDistribution, places: Path | None = None) -> OciHttpRegistry:
    address = "https://registry.example"
    client = HttpClient("The registry", address, transport=server, pause=lambda _: None)
    return OciHttpRegistry(client, "registry.example", BlobPlaces(places, address) if places else None)


@pytest.fixture
def registry(server: FakeDistribution) -> OciHttpRegistry:
    return a_registry(server)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    request = a_request(tmp_path)
    FakeBuilder().build(request)
    return request.layout


def test_only_what_is_missing_is_sent(server: FakeDistribution, registry: OciHttpRegistry, layout: Path) -> None:
    registry.push(layout, "shop", "1")
    server.requests.clear()

    registry.push(layout, "shop", "2")

    changed = [
        (request.method, request.url.path) for request in server.requests if request.method not in ("GET", "HEAD")
    ]
    assert changed == [("PUT", "/v2/shop/manifests/2")]


def test_blobs_are_sent_at_the_same_time(layout: Path) -> None:
    class Waiting(FakeDistribution):
        """Takes no blob before another one is on its way."""

        def __init__(self) -> None:
            super().__init__()
            self.together = threading.Barrier(2, timeout=10)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "PUT" and "/blobs/" in request.url.path:
                self.together.wait()
            return super().handle_request(request)

    server = Waiting()
    assert len(read_manifest(layout).blobs) == 2

    a_registry(server).push(layout, "shop", "1")

    assert set(server.blobs) == {blob.digest for blob in read_manifest(layout).blobs}


def uploads(server: FakeDistribution) -> list[str]:
    """Digests of the blobs that were sent, in order."""
    return [
        request.url.params["digest"]
        for request in server.requests
        if request.method == "PUT" and "/blobs/" in request.url.path
    ]


@pytest.mark.parametrize(
    "break_off",
    [httpx.Response(404, json={"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}), httpx.Response(503), None],
    ids=["address spent", "trouble", "connection lost"],
)
def test_an_upload_that_breaks_is_begun_anew(layout: Path, break_off: httpx.Response | None) -> None:
    class Breaking(FakeDistribution):
        broken = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "PUT" and "/blobs/" in request.url.path and not self.broken:
                self.broken = True
                if break_off is None:
                    raise httpx.WriteError("reset", request=request)
                self.answers["PUT", request.url.path] = break_off
            return super().handle_request(request)

    server = Breaking()

    a_registry(server).push(layout, "shop", "1")

    opened = [request for request in server.requests if request.method == "POST"]
    assert len(opened) == len(read_manifest(layout).blobs) + 1


def test_a_blob_that_is_refused_is_not_sent_again(server: FakeDistribution, layout: Path) -> None:
    server.answers["PUT", "/v2/shop/blobs/uploads/one"] = httpx.Response(413, json={"errors": [{"code": "SIZE"}]})

    with pytest.raises(ToolUnavailable, match="answered 413"):
        a_registry(server).push(layout, "shop", "1")

    assert len(uploads(server)) <= len(read_manifest(layout).blobs)


def test_a_push_that_was_broken_off_goes_on_where_it_stopped(server: FakeDistribution, layout: Path) -> None:
    server.answers["PUT", "/v2/shop/manifests/1"] = httpx.Response(403)
    with pytest.raises(ToolUnavailable):
        a_registry(server).push(layout, "shop", "1")
    server.requests.clear()

    a_registry(server).push(layout, "shop", "1")

    assert uploads(server) == []


# Mounting from another repository.


@pytest.fixture
def large_layout(tmp_path: Path) -> Path:
    """A layout with one layer that is large enough to be worth a place in memory."""
    noise = random.Random(7).randbytes(1_200_000).hex()
    built = OciLayoutBuilder(tmp_path / "cache").build(a_request(tmp_path / "large", files={"app/noise.txt": noise}))
    assert isinstance(built, BuiltImage)
    return built.layout


@pytest.mark.parametrize(("answer", "sent"), [(201, 0), (202, 1), (403, 1)])
def test_a_large_blob_is_mounted_where_the_registry_does_that_and_sent_where_not(
    server: FakeDistribution, large_layout: Path, tmp_path: Path, answer: int, sent: int
) -> None:
    large = max(read_manifest(large_layout).blobs, key=lambda blob: blob.size_bytes)
    places = tmp_path / "places"
    a_registry(server, places).push(large_layout, "shop", "1")
    server.requests.clear()
    server.answers["HEAD", f"/v2/other/blobs/{large.digest}"] = httpx.Response(404)
    location = {"Location": "/v2/other/blobs/uploads/one"}
    server.answers["POST", "/v2/other/blobs/uploads/"] = httpx.Response(answer, headers=location)

    a_registry(server, places).push(large_layout, "other", "1")

    asked = [dict(request.url.params) for request in server.requests if request.method == "POST"]
    assert asked[0] == {"mount": large.digest, "from": "shop"}
    assert asked[1:] == ([{}] if answer == 403 else [])
    assert uploads(server) == [large.digest] * sent


def test_a_blob_is_not_mounted_from_where_it_is_missing(tmp_path: Path, server: FakeDistribution) -> None:
    places = BlobPlaces(tmp_path, "https://registry.example")
    large, small = Descriptor("x", f"sha256:{'1' * 64}", 1 << 20), Descriptor("x", f"sha256:{'2' * 64}", 9)

    places.remember(large, "shop")
    places.remember(small, "shop")

    assert (places.find(large, "other"), places.find(large, "shop"), places.find(small, "other")) == (
        "shop",
        None,
        None,
    )
    assert BlobPlaces(tmp_path, "https://elsewhere.example").find(large, "other") is None


@pytest.mark.parametrize("content", [b"", b"../up", b"Shop", b"\xff", b"shop?x=1"])
def test_a_damaged_memory_is_no_place(tmp_path: Path, content: bytes) -> None:
    places, large = BlobPlaces(tmp_path, "https://registry.example"), Descriptor("x", f"sha256:{'1' * 64}", 1 << 20)
    places.remember(large, "shop")
    [file] = tmp_path.rglob("1" * 64)
    file.write_bytes(content)

    assert places.find(large, "other") is None


def test_a_registry_that_names_no_digests_is_asked_for_the_manifest(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path
) -> None:
    server.names_digests = False

    assert registry.push(layout, "shop", "1") == read_manifest(layout).digest


def test_a_blob_that_vanishes_before_the_manifest_arrives_is_sent_again(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path
) -> None:
    unknown = httpx.Response(400, json={"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
    server.answers["PUT", "/v2/shop/manifests/1"] = unknown

    registry.push(layout, "shop", "1")

    assert registry.resolve("shop", "1") == read_manifest(layout).digest


def test_a_tag_that_another_pusher_took_meanwhile_is_a_conflict(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path
) -> None:
    other = f"sha256:{'1' * 64}"
    server.refuse_put("/v2/shop/manifests/1", httpx.Response(201), then_names=other)

    with pytest.raises(Conflict) as refusal:
        registry.push(layout, "shop", "1")

    assert other in refusal.value.what
    assert read_manifest(layout).digest in refusal.value.what


@pytest.mark.parametrize("change", [lambda content: content[:-1] + b"!", lambda content: content + b"!", lambda _: b""])
def test_a_blob_that_is_not_what_its_digest_says_is_named(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path, tmp_path: Path, change
) -> None:
    digest = registry.push(layout, "shop", "1")
    victim = read_manifest(layout).layers[0].digest
    server.blobs[victim] = change(server.blobs[victim])

    with pytest.raises(UntrustedInput, match=victim):
        registry.pull("shop", digest, tmp_path / "pulled")

    assert not (tmp_path / "pulled").exists()


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path, tmp_path: Path
) -> None:
    digest = registry.push(layout, "shop", "1")
    server.manifests[digest] += b" "

    with pytest.raises(UntrustedInput, match="corrupt"):
        registry.pull("shop", digest, tmp_path / "pulled")


def test_an_image_without_one_of_its_blobs_is_not_there(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path, tmp_path: Path
) -> None:
    digest = registry.push(layout, "shop", "1")
    victim = read_manifest(layout).layers[0].digest
    del server.blobs[victim]

    assert not registry.has("shop", digest)
    with pytest.raises(UntrustedInput, match=victim):
        registry.pull("shop", digest, tmp_path / "pulled")


def test_an_upload_address_on_another_server_is_refused(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path
) -> None:
    away = httpx.Response(202, headers={"Location": "https://elsewhere.example/upload"})
    server.answers["POST", "/v2/shop/blobs/uploads/"] = away

    with pytest.raises(UntrustedInput, match=r"elsewhere\.example"):
        registry.push(layout, "shop", "1")


def test_a_registry_that_names_no_upload_address_is_unavailable(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path
) -> None:
    server.answers["POST", "/v2/shop/blobs/uploads/"] = httpx.Response(202)

    with pytest.raises(ToolUnavailable, match="where to send"):
        registry.push(layout, "shop", "1")


def test_a_refusal_is_told_in_the_registrys_words(
    server: FakeDistribution, registry: OciHttpRegistry, layout: Path
) -> None:
    server.answers["POST", "/v2/shop/blobs/uploads/"] = httpx.Response(403, json={"errors": [{"code": "DENIED"}]})

    with pytest.raises(
        ToolUnavailable, match=r"403 to POST https://registry\.example/v2/shop/blobs/uploads/: .*DENIED"
    ):
        registry.push(layout, "shop", "1")
