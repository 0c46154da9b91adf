"""What every image registry promises, each on the real thing.

The fake and the registry on disk run everywhere; the distribution protocol runs against a real server where Debian's
`docker-registry` is installed, and ECR against the stand-ins for AWS where those are (`aws_servers`).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.adapters.prefixed_registry import PrefixedRegistry
from shopkart_pipeline.domain.errors import Conflict, NotFound, PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline.ports.registry import ImageRegistry, NotScanned
from shopkart_pipeline_tests.contract import aws_servers
from shopkart_pipeline_tests.contract.ecr_worlds import ministack_registry, moto_registry
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.contract.oci_readers import LayoutReader, installed_readers
from shopkart_pipeline_tests.contract.registry_server import PROGRAM, running_registry
from shopkart_pipeline_tests.fakes.fake_registry import FakeRegistry

_READERS = installed_readers()
_REGISTRIES = [
    *("fake", "disk", "prefixed"),
    *(["docker-registry"] if PROGRAM else []),
    *(["ministack"] if aws_servers.installed("ministack") else []),
    *(["moto"] if PROGRAM and aws_servers.installed("moto") else []),
]
_NOWHERE = f"sha256:{'0' * 64}"


@pytest.fixture(params=_REGISTRIES)
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImageRegistry]:
    match request.param:
        case "fake":
            yield FakeRegistry()
        case "disk":
            yield DiskRegistry(tmp_path / "registry")
        case "prefixed":
            yield PrefixedRegistry(DiskRegistry(tmp_path / "registry"), "shopkart/")
        case "ministack":
            with ministack_registry(request.getfixturevalue("ministack")) as registry:
                yield registry
        case "moto":
            with moto_registry(request.getfixturevalue("moto"), tmp_path / "registry") as registry:
                yield registry
        case _:
            with running_registry(tmp_path / "registry") as address:
                client = HttpClient("The registry", address)
                yield OciHttpRegistry(client, address)
                client.close()


@pytest.fixture(params=_READERS.values(), ids=_READERS.keys())
def reader(request: pytest.FixtureRequest) -> LayoutReader:
    return request.param


def an_image(folder: Path, version: int = 1) -> BuiltImage:
    files = {"deps/d.py": "same\n", "app/a.py": f"VERSION = {version}\n"}
    built = OciLayoutBuilder(folder / "cache").build(a_request(folder / f"v{version}", files=files))
    assert isinstance(built, BuiltImage)
    return built


def test_a_pushed_image_is_there_under_its_digest_and_its_tag(registry: ImageRegistry, tmp_path: Path) -> None:
    image = an_image(tmp_path)

    confirmed = registry.push(image.layout, "shop/backend", "1")

    assert confirmed == image.digest
    assert registry.resolve("shop/backend", "1") == image.digest
    assert registry.has("shop/backend", image.digest)


def test_a_pulled_image_is_the_one_that_was_pushed(
    registry: ImageRegistry, reader: LayoutReader, tmp_path: Path
) -> None:
    image = an_image(tmp_path)
    registry.push(image.layout, "shop/backend", "1")

    registry.pull("shop/backend", image.digest, tmp_path / "pulled")

    assert reader.read(tmp_path / "pulled").digest == image.digest


def test_pushing_again_changes_nothing(registry: ImageRegistry, tmp_path: Path) -> None:
    image = an_image(tmp_path)
    first = registry.push(image.layout, "shop/backend", "1")

    assert registry.push(image.layout, "shop/backend", "1") == first


def test_a_used_tag_is_not_moved(registry: ImageRegistry, tmp_path: Path) -> None:
    image, other = an_image(tmp_path, 1), an_image(tmp_path, 2)
    registry.push(image.layout, "shop/backend", "1")

    with pytest.raises(Conflict) as refusal:
        registry.push(other.layout, "shop/backend", "1")

    assert image.digest in refusal.value.what
    assert other.digest in refusal.value.what
    assert "new tag" in refusal.value.fix
    assert registry.resolve("shop/backend", "1") == image.digest


def test_repositories_and_tags_share_images_without_mixing_them_up(registry: ImageRegistry, tmp_path: Path) -> None:
    image, other = an_image(tmp_path, 1), an_image(tmp_path, 2)

    registry.push(image.layout, "shop", "1")
    registry.push(image.layout, "shop/backend", "1")
    registry.push(image.layout, "shop/backend", "same")
    registry.push(other.layout, "shop/backend", "2")

    named = {
        (repository, tag): registry.resolve(repository, tag)
        for repository in ("shop", "shop/backend")
        for tag in ("1", "2", "same")
    }
    assert named == {
        ("shop", "1"): image.digest,
        ("shop", "2"): None,
        ("shop", "same"): None,
        ("shop/backend", "1"): image.digest,
        ("shop/backend", "2"): other.digest,
        ("shop/backend", "same"): image.digest,
    }
    assert not registry.has("shop", other.digest)


def test_what_nobody_pushed_is_not_there(registry: ImageRegistry, tmp_path: Path) -> None:
    assert registry.resolve("shop/backend", "1") is None
    assert not registry.has("shop/backend", _NOWHERE)
    with pytest.raises(NotFound):
        registry.pull("shop/backend", _NOWHERE, tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def test_a_corrupt_layout_is_refused_and_names_the_blob(registry: ImageRegistry, tmp_path: Path) -> None:
    image = an_image(tmp_path)
    victim = max((image.layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(PipelineError, match=victim.name):
        registry.push(image.layout, "shop/backend", "1")

    assert registry.resolve("shop/backend", "1") is None


def test_no_layout_is_not_found(registry: ImageRegistry, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        registry.push(tmp_path / "nowhere", "shop/backend", "1")


@pytest.mark.parametrize("repository", ["../escape", "shop/../x", "/shop", "Shop", "", "shop?x=1", "shop#", "shop\0"])
def test_a_repository_is_never_a_path(registry: ImageRegistry, tmp_path: Path, repository: str) -> None:
    _assert_refused(registry, tmp_path, repository, "1")


@pytest.mark.parametrize("tag", ["../1", "", "a/b", "..", "a b", "a?x=1"])
def test_a_tag_is_never_a_path(registry: ImageRegistry, tmp_path: Path, tag: str) -> None:
    _assert_refused(registry, tmp_path, "shop", tag)


def _assert_refused(registry: ImageRegistry, folder: Path, repository: str, tag: str) -> None:
    image = an_image(folder)
    with pytest.raises(UntrustedInput):
        registry.push(image.layout, repository, tag)
    with pytest.raises(UntrustedInput):
        registry.resolve(repository, tag)


def test_many_pushers_of_one_image_all_succeed(registry: ImageRegistry, tmp_path: Path) -> None:
    image = an_image(tmp_path)

    with ThreadPoolExecutor() as pool:
        pushes = [pool.submit(registry.push, image.layout, "shop/backend", "1") for _ in range(6)]

    assert [push.result() for push in pushes] == [image.digest] * 6
    assert registry.has("shop/backend", image.digest)


def test_an_images_name_for_others_holds_repository_and_digest(registry: ImageRegistry) -> None:
    assert registry.reference("shop/backend", _NOWHERE).endswith(f"shop/backend@{_NOWHERE}")


def test_a_registry_without_a_result_of_a_scan_says_why(
    registry: ImageRegistry, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    image = an_image(tmp_path)
    registry.push(image.layout, "shop/backend", "1")

    if "ministack" in request.node.name:
        with pytest.raises(ToolUnavailable, match="DescribeImageScanFindings"):
            registry.scan_findings("shop/backend", image.digest, datetime.now(UTC))
        return
    result = registry.scan_findings("shop/backend", image.digest, datetime.now(UTC))

    assert isinstance(result, NotScanned)
    assert result.reason
