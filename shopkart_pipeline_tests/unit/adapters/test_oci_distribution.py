"""The distribution protocol with registries that lie, forget, or point elsewhere."""

from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.domain.errors import Conflict, ToolUnavailable, UntrustedInput
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.fake_distribution import FakeDistribution


@pytest.fixture
def server() -> FakeDistribution:
    return FakeDistribution()


@pytest.fixture
def registry(server: FakeDistribution) -> OciHttpRegistry:
    client = HttpClient("The registry", "https://registry.example", transport=server, pause=lambda _: None)
    return OciHttpRegistry(client)


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
