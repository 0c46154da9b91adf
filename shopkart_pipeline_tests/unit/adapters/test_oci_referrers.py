"""Artifacts beside images: registries with the referrers API, others that write meanwhile, and hostile answers."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci_artifact import REFERRERS_LIMIT
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import Attachment
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.fake_distribution import FakeDistribution

_STATEMENT = "application/vnd.dsse.envelope.v1+json"
_BOM = "application/vnd.cyclonedx+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def a_registry(server: FakeDistribution) -> OciHttpRegistry:
    client = HttpClient("The registry", "https://registry.example", transport=server, pause=lambda _: None)
    return OciHttpRegistry(client, "registry.example")


def an_image(registry: OciHttpRegistry | DiskRegistry, folder: Path) -> str:
    request = a_request(folder / "image")
    FakeBuilder().build(request)
    return registry.push(request.layout, "shop", "1")


def index_tag(image: str) -> str:
    return image.replace(":", "-")


def test_a_registry_with_the_api_lists_by_itself_and_in_pages(tmp_path: Path) -> None:
    server = FakeDistribution(referrers_api=True)
    registry = a_registry(server)
    image = an_image(registry, tmp_path)

    attached = {registry.attach("shop", image, _STATEMENT, b"%d" % number, {}) for number in range(5)}

    assert {one.digest for one in registry.referrers("shop", image)} == attached
    assert index_tag(image) not in server.manifests


@pytest.mark.parametrize(("referrers_api", "most"), [(True, 57), (False, 57)])
def test_a_release_s_statements_take_few_requests(tmp_path: Path, referrers_api: bool, most: int) -> None:
    """Each takes a round trip on the way to production, and a registry far away needs 50 ms for it."""
    server = FakeDistribution(referrers_api=referrers_api)
    registry = a_registry(server)
    image = an_image(registry, tmp_path)
    statements = [Attachment(_STATEMENT, b"%d" % number, {}) for number in range(16)]
    server.requests.clear()

    attached = registry.attach_all("shop", image, statements)

    assert len(server.requests) <= most
    assert {one.digest for one in registry.referrers("shop", image)} == set(attached)
    assert registry.read_attached("shop", attached[3]) == b"3"


def test_envelopes_for_cosign_are_put_there_in_one_go(tmp_path: Path) -> None:
    server = FakeDistribution()
    registry = a_registry(server)
    image = an_image(registry, tmp_path)
    envelopes = {b"%d" % number: _STATEMENT for number in range(16)}
    registry.keep_for_cosign("shop", image, {b"theirs": _STATEMENT})
    server.requests.clear()

    registry.keep_for_cosign("shop", image, envelopes)

    assert len(server.requests) <= 37
    assert set(registry.kept_for_cosign("shop", image)) == {b"theirs", *envelopes}


def test_a_content_that_is_there_and_refused_for_that_is_as_good_as_sent(tmp_path: Path) -> None:
    server = FakeDistribution()
    registry = a_registry(server)
    image = an_image(registry, tmp_path)
    server.blobs[f"sha256:{sha256(b'statement').hexdigest()}"] = b"statement"
    server.blobs[f"sha256:{sha256(b'{}').hexdigest()}"] = b"{}"
    server.answers["PUT", "/v2/shop/blobs/uploads/one"] = httpx.Response(400, text="LayerAlreadyExists")

    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})

    assert registry.read_attached("shop", attached) == b"statement"


def test_a_filter_that_the_registry_does_not_apply_is_applied_here(tmp_path: Path) -> None:
    registry = a_registry(FakeDistribution(referrers_api=True))
    image = an_image(registry, tmp_path)
    registry.attach("shop", image, _STATEMENT, b"statement", {})
    bom = registry.attach("shop", image, _BOM, b"bom", {})

    assert [one.digest for one in registry.referrers("shop", image, _BOM)] == [bom]


def test_what_is_attached_has_a_tag_of_its_own_so_that_cleaners_leave_it(tmp_path: Path) -> None:
    server = FakeDistribution(referrers_api=True)
    registry = a_registry(server)
    image = an_image(registry, tmp_path)

    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})

    tag = f"{index_tag(image)}.{attached.removeprefix('sha256:')[:32]}"
    assert registry.resolve("shop", tag) == attached


def test_a_type_that_a_list_tells_wrongly_is_read_from_the_artifact_itself(tmp_path: Path) -> None:
    """cosign lists its artifacts as of the type of the empty configuration."""
    server = FakeDistribution()
    registry = a_registry(server)
    image = an_image(registry, tmp_path)
    attached = registry.attach("shop", image, _STATEMENT, b"statement", {"about": "tests"})
    change_index(server, image, lambda entry: {**entry, "artifactType": "application/vnd.oci.empty.v1+json"})

    (found,) = registry.referrers("shop", image, _STATEMENT)

    assert (found.digest, found.artifact_type) == (attached, _STATEMENT)
    assert registry.referrers("shop", image, _BOM) == ()


class Contested(FakeDistribution):
    """Somebody else writes the index over ours, some times."""

    def __init__(self, times: int, theirs: bytes) -> None:
        super().__init__()
        self.times = times
        self.theirs = theirs

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        name = request.url.path.rpartition("/")[2]
        if request.method == "PUT" and name.startswith("sha256-") and "." not in name and self.times:
            self.times -= 1
            self.manifests[name] = self.theirs
        return answer


def an_index(digest: str) -> bytes:
    entry = {"mediaType": _MANIFEST, "digest": digest, "size": 1, "artifactType": "application/x.theirs", "x": 1}
    return json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry], "y": 2}).encode()


def test_an_entry_that_somebody_else_wrote_meanwhile_is_kept(tmp_path: Path) -> None:
    theirs = f"sha256:{'7' * 64}"
    server = Contested(2, an_index(theirs))
    registry = a_registry(server)
    image = an_image(registry, tmp_path)

    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})

    index = json.loads(server.manifests[index_tag(image)])
    assert [entry["digest"] for entry in index["manifests"]] == [theirs, attached]
    assert (index["y"], index["manifests"][0]["x"]) == (2, 1)


def test_an_index_that_others_go_on_changing_is_told_of(tmp_path: Path) -> None:
    server = Contested(100, an_index(f"sha256:{'7' * 64}"))
    registry = a_registry(server)
    image = an_image(registry, tmp_path)

    with pytest.raises(ToolUnavailable, match="Others go on changing"):
        registry.attach("shop", image, _STATEMENT, b"statement", {})


def test_a_write_on_a_condition_that_does_not_hold_begins_again(tmp_path: Path) -> None:
    server = FakeDistribution()
    registry = a_registry(server)
    image = an_image(registry, tmp_path)
    server.answers["PUT", f"/v2/shop/manifests/{index_tag(image)}"] = httpx.Response(412)

    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})

    assert [one.digest for one in registry.referrers("shop", image)] == [attached]
    conditions = [request.headers.get("If-None-Match") for request in server.requests if request.method == "PUT"]
    assert conditions[-2:] == ["*", "*"]


def test_an_index_that_the_registry_keeps_from_moving_is_named(tmp_path: Path) -> None:
    server = FakeDistribution()
    registry = a_registry(server)
    image = an_image(registry, tmp_path)
    registry.attach("shop", image, _STATEMENT, b"first", {})
    server.answers["PUT", f"/v2/shop/manifests/{index_tag(image)}"] = httpx.Response(400, text="TAG_INVALID")

    with pytest.raises(ToolUnavailable, match=f"{index_tag(image)} be written again") as refusal:
        registry.attach("shop", image, _STATEMENT, b"second", {})

    assert "Let this tag move" in refusal.value.fix


def change_index(server: FakeDistribution, image: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    index = json.loads(server.manifests[index_tag(image)])
    index["manifests"] = [change(entry) for entry in index["manifests"]]
    server.manifests[index_tag(image)] = json.dumps(index).encode()


def _elsewhere(server: FakeDistribution, image: str, attached: str) -> None:
    manifest = json.loads(server.manifests[attached])
    manifest["subject"]["digest"] = f"sha256:{'9' * 64}"
    content = json.dumps(manifest).encode()
    digest = f"sha256:{sha256(content).hexdigest()}"
    server.manifests[digest] = content
    change_index(server, image, lambda entry: {**entry, "digest": digest})


def _changed(server: FakeDistribution, _: str, attached: str) -> None:
    server.manifests[attached] = server.manifests[attached].replace(b"tests", b"TESTS")


def _gone(server: FakeDistribution, _: str, attached: str) -> None:
    del server.manifests[attached]


def _flooded(server: FakeDistribution, image: str, _: str) -> None:
    index = json.loads(server.manifests[index_tag(image)])
    index["manifests"] *= REFERRERS_LIMIT + 1
    server.manifests[index_tag(image)] = json.dumps(index).encode()


def _no_index(server: FakeDistribution, image: str, _: str) -> None:
    server.manifests[index_tag(image)] = b'{"schemaVersion": 2, "manifests": [{"digest": "../../escape"}]}'


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_elsewhere, "belongs to sha256:9999"),
        (_changed, "is corrupt"),
        (_gone, "missing"),
        (_flooded, "malformed: manifests"),
        (_no_index, "malformed: manifests.0"),
    ],
)
def test_a_list_that_lies_is_refused(
    tmp_path: Path, harm: Callable[[FakeDistribution, str, str], None], words: str
) -> None:
    server = FakeDistribution()
    registry = a_registry(server)
    image = an_image(registry, tmp_path)
    attached = registry.attach("shop", image, _STATEMENT, b"statement", {"about": "tests"})

    harm(server, image, attached)

    with pytest.raises(UntrustedInput, match=words):
        registry.referrers("shop", image)


def test_a_list_without_an_end_is_refused(tmp_path: Path) -> None:
    registry = a_registry(server := FakeDistribution(referrers_api=True))
    image = an_image(registry, tmp_path)
    path = f"/v2/shop/referrers/{image}"
    index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": []})
    server.refuse_everything = httpx.Response(200, text=index, headers={"Link": f'<{path}>; rel="next"'})

    with pytest.raises(UntrustedInput, match="has no end"):
        registry.referrers("shop", image)


def test_a_list_that_goes_on_at_another_server_is_refused(tmp_path: Path) -> None:
    registry = a_registry(server := FakeDistribution(referrers_api=True))
    image = an_image(registry, tmp_path)
    index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": []})
    following = {"Link": '<https://elsewhere.example/v2/>; rel="next"'}
    server.answers["GET", f"/v2/shop/referrers/{image}"] = httpx.Response(200, text=index, headers=following)

    with pytest.raises(UntrustedInput, match="another server"):
        registry.referrers("shop", image)


@pytest.mark.parametrize("content", [b"STATEMENT", b"longer than it was", b""])
def test_a_content_whose_bytes_differ_is_refused(tmp_path: Path, content: bytes) -> None:
    registry = a_registry(server := FakeDistribution())
    image = an_image(registry, tmp_path)
    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})
    server.blobs[f"sha256:{sha256(b'statement').hexdigest()}"] = content

    with pytest.raises(UntrustedInput):
        registry.read_attached("shop", attached)


def test_what_others_attached_in_pieces_is_listed_and_not_read(tmp_path: Path) -> None:
    registry = a_registry(server := FakeDistribution())
    image = an_image(registry, tmp_path)
    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})
    manifest = json.loads(server.manifests[attached])
    manifest["layers"] *= 2
    content = json.dumps(manifest).encode()
    digest = f"sha256:{sha256(content).hexdigest()}"
    server.manifests[digest] = content
    change_index(server, image, lambda entry: {**entry, "digest": digest})

    assert [one.digest for one in registry.referrers("shop", image)] == [digest]
    with pytest.raises(UntrustedInput, match="contents of these sizes: 9, 9"):
        registry.read_attached("shop", digest)


def test_an_image_is_nothing_that_is_attached(tmp_path: Path) -> None:
    registry = a_registry(FakeDistribution())
    image = an_image(registry, tmp_path)

    with pytest.raises(UntrustedInput):
        registry.read_attached("shop", image)


@pytest.mark.parametrize("what", ["manifest", "content"])
def test_damage_on_disk_is_found_and_attaching_again_repairs_it(tmp_path: Path, what: str) -> None:
    registry = DiskRegistry(tmp_path / "registry")
    image = an_image(registry, tmp_path)
    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})
    digest = attached if what == "manifest" else f"sha256:{sha256(b'statement').hexdigest()}"
    (path,) = (tmp_path / "registry").rglob(digest.removeprefix("sha256:"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"X")

    with pytest.raises(PipelineError, match="is corrupt"):
        registry.read_attached("shop", attached)

    assert registry.attach("shop", image, _STATEMENT, b"statement", {}) == attached
    assert registry.read_attached("shop", attached) == b"statement"


def test_a_statement_that_was_moved_to_another_image_on_disk_is_refused(tmp_path: Path) -> None:
    registry = DiskRegistry(tmp_path / "registry")
    image = an_image(registry, tmp_path)
    attached = registry.attach("shop", image, _STATEMENT, b"statement", {})
    (path,) = (tmp_path / "registry").rglob(attached.removeprefix("sha256:"))
    other = f"sha256:{'9' * 64}"
    path.parent.rename(path.parent.with_name(other.removeprefix("sha256:")))

    with pytest.raises(UntrustedInput, match="belongs to another image"):
        registry.referrers("shop", other)
