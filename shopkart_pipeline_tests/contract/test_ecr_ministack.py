"""ECR on ministack: real pushes over HTTP into repositories whose tags the server itself keeps from moving."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shopkart_pipeline.adapters._ecr_repository import LIFECYCLE
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters._oci_documents import MANIFEST, blob_path
from shopkart_pipeline.domain.errors import Conflict, Refused
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline_tests.contract.ecr_worlds import a_prefix, client_of, ministack_registry
from shopkart_pipeline_tests.contract.test_registry import an_image


@pytest.fixture
def prefix() -> str:
    return a_prefix()


@pytest.fixture
def registry(ministack: str, prefix: str) -> Iterator[ImageRegistry]:
    with ministack_registry(ministack, prefix) as registry:
        yield registry


@pytest.fixture
def api(ministack: str) -> Any:
    return client_of(ministack)


def test_a_push_makes_the_repository_in_shape(registry: ImageRegistry, api: Any, prefix: str, tmp_path: Path) -> None:
    registry.push(an_image(tmp_path).layout, "shop", "1")

    [made] = api.describe_repositories(repositoryNames=[f"{prefix}shop"])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert api.get_lifecycle_policy(repositoryName=f"{prefix}shop")["lifecyclePolicyText"] == LIFECYCLE


def test_a_push_brings_a_repository_into_shape(registry: ImageRegistry, api: Any, prefix: str, tmp_path: Path) -> None:
    api.create_repository(repositoryName=f"{prefix}shop", imageTagMutability="MUTABLE")

    registry.push(an_image(tmp_path).layout, "shop", "1")

    [found] = api.describe_repositories(repositoryNames=[f"{prefix}shop"])["repositories"]
    assert found["imageTagMutability"] == "IMMUTABLE"
    assert found["imageScanningConfiguration"] == {"scanOnPush": True}


def test_the_api_knows_the_image_that_was_pushed(
    registry: ImageRegistry, api: Any, prefix: str, tmp_path: Path
) -> None:
    image = an_image(tmp_path)

    registry.push(image.layout, "shop", "1")

    [details] = api.describe_images(repositoryName=f"{prefix}shop")["imageDetails"]
    assert (details["imageDigest"], details["imageTags"]) == (image.digest, ["1"])


def test_the_server_itself_keeps_a_tag_from_moving(
    registry: ImageRegistry, ministack: str, prefix: str, tmp_path: Path
) -> None:
    image, other = an_image(tmp_path, 1), an_image(tmp_path, 2)
    registry.push(image.layout, "shop", "1")
    registry.push(other.layout, "shop", "2")

    manifest = blob_path(other.layout, read_manifest(other.layout).digest).read_bytes()
    answer = httpx.put(
        f"{ministack}/v2/{prefix}shop/manifests/1", content=manifest, headers={"Content-Type": MANIFEST}, timeout=30
    )

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "TAG_INVALID")
    assert registry.resolve("shop", "1") == image.digest
    with pytest.raises(Conflict, match="tags are immutable"):
        registry.push(other.layout, "shop", "1")


def test_nothing_arrives_under_a_policy_that_expires_tagged_images(
    registry: ImageRegistry, api: Any, prefix: str, tmp_path: Path
) -> None:
    name = f"{prefix}shop"
    api.create_repository(repositoryName=name)
    text = LIFECYCLE.replace('"untagged"', '"any"')
    api.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)

    with pytest.raises(Refused, match="expires images that have tags"):
        registry.push(an_image(tmp_path).layout, "shop", "1")

    assert api.describe_images(repositoryName=name)["imageDetails"] == []
    assert api.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"] == text


def test_a_repository_that_somebody_else_keeps_is_not_changed(
    registry: ImageRegistry, api: Any, prefix: str, tmp_path: Path
) -> None:
    name = f"{prefix}shop"
    api.create_repository(
        repositoryName=name, imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True}
    )
    text = LIFECYCLE.replace("14", "30")
    api.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)

    registry.push(an_image(tmp_path).layout, "shop", "1")

    assert api.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"] == text
