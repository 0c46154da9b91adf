"""Images are fetched once, checked, and there whole or not at all."""

import asyncio
import json
from hashlib import sha256
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.images import Images, application_of
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline_tests.contract.cluster_worlds import ImageParts, sample_image
from shopkart_pipeline_tests.fakes.fake_builder import write_image


class Counting(DiskRegistry):
    """Counts fetches, and may give another image than was asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.pulled = 0
        self.swapped: str | None = None

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        self.pulled += 1
        super().pull(repository, self.swapped or digest, layout)


@pytest.fixture
def registry(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "registry")


def published(registry: ImageRegistry, tmp_path: Path, version: str) -> str:
    layout = tmp_path / f"layout-{version}"
    write_image(layout, *sample_image({"version": version}, ImageParts()))
    return registry.push(layout, "shop", version)


def test_an_image_is_fetched_once_however_many_replicas_need_it_at_once(registry: Counting, tmp_path: Path) -> None:
    digest, images = published(registry, tmp_path, "v1"), Images(Folders(tmp_path), registry)

    async def several() -> None:
        first, second = await asyncio.gather(images.get("shop", digest), images.get("shop", digest))
        assert first == second
        assert first.about.run.command == ("python", "-m", "replica_app")

    asyncio.run(several())
    assert registry.pulled == 1
    application = application_of(Folders(tmp_path), digest)
    assert application is not None
    assert json.loads((application / "app" / "replica_app" / "behaviour.json").read_text()) == {"version": "v1"}


def test_an_image_that_the_registry_lost_is_not_found_and_leaves_nothing(registry: Counting, tmp_path: Path) -> None:
    images, digest = Images(Folders(tmp_path), registry), f"sha256:{sha256(b'').hexdigest()}"
    with pytest.raises(NotFound):
        asyncio.run(images.get("shop", digest))
    assert application_of(Folders(tmp_path), digest) is None
    assert list(Folders(tmp_path).images.iterdir()) == []


def test_another_image_than_asked_for_is_refused(registry: Counting, tmp_path: Path) -> None:
    wanted, other = published(registry, tmp_path, "v1"), published(registry, tmp_path, "v2")
    registry.swapped = other
    with pytest.raises(UntrustedInput, match="for sha256"):
        asyncio.run(Images(Folders(tmp_path), registry).get("shop", wanted))
    assert application_of(Folders(tmp_path), wanted) is None


def test_images_that_nobody_needs_are_forgotten_and_fetched_again(registry: Counting, tmp_path: Path) -> None:
    old, new = published(registry, tmp_path, "v1"), published(registry, tmp_path, "v2")
    images = Images(Folders(tmp_path), registry)
    for digest in (old, new):
        asyncio.run(images.get("shop", digest))
    (Folders(tmp_path).images / ".new-interrupted").mkdir()
    images.forget_all_but({new})
    assert [path.name for path in Folders(tmp_path).images.iterdir()] == [new.replace(":", "-")]
    asyncio.run(Images(Folders(tmp_path), registry).get("shop", old))
    assert application_of(Folders(tmp_path), old) is not None
