"""ECR's API through botocore's own stubs, and the images through a registry in memory."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.stub import ANY, Stubber

from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters.ecr import EcrRegistry
from shopkart_pipeline.domain.errors import Conflict, ToolUnavailable
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.fake_distribution import FakeDistribution

_START = datetime(2025, 3, 14, 12, 0, tzinfo=UTC)
_ADDRESS = "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com"
_MADE = {
    "repositoryName": "shop",
    "imageTagMutability": "IMMUTABLE",
    "imageScanningConfiguration": {"scanOnPush": True},
}


class StoppedClock(Clock):
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = _START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class World:
    """An account with one region, and the registry under test in it."""

    def __init__(self) -> None:
        client = boto3.client("ecr", region_name="eu-central-1", aws_access_key_id="id", aws_secret_access_key="key")
        self.api = Stubber(client)
        self.clock = StoppedClock()
        self.server = FakeDistribution()
        self.addresses: list[str] = []
        self.registry = EcrRegistry(client, self.clock, self._connect)

    def _connect(self, address: str, authorization: Callable[[], str]) -> HttpClient:
        self.addresses.append(address)
        return HttpClient("ECR", address, authorization=authorization, transport=self.server, pause=lambda _: None)

    def gives_token(self, token: str, hours: float = 12.0) -> None:
        expires_at = self.clock.now() + timedelta(hours=hours)
        data = {"authorizationToken": token, "expiresAt": expires_at, "proxyEndpoint": _ADDRESS}
        self.api.add_response("get_authorization_token", {"authorizationData": [data]}, {})

    def makes_repository(self) -> None:
        self.api.add_response("create_repository", {"repository": {}}, _MADE)
        self.sets_lifecycle()

    def sets_lifecycle(self) -> None:
        expected = {"repositoryName": "shop", "lifecyclePolicyText": ANY}
        self.api.add_response("put_lifecycle_policy", {"repositoryName": "shop"}, expected)

    def confirms(self, digest: str, tag: str = "1") -> None:
        details: dict[str, Any] = {"imageDetails": [{"imageDigest": digest}]}
        self.api.add_response("describe_images", details, {"repositoryName": "shop", "imageIds": [{"imageTag": tag}]})


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with world.api:
        yield world
        world.api.assert_no_pending_responses()


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    request = a_request(tmp_path)
    FakeBuilder().build(request)
    return request.layout


def test_the_first_push_makes_the_repository_with_immutable_tags(world: World, layout: Path) -> None:
    digest = read_manifest(layout).digest
    world.makes_repository()
    world.gives_token("dG9rZW4=")
    world.confirms(digest)

    assert world.registry.push(layout, "shop", "1") == digest
    assert world.addresses == [_ADDRESS]
    assert {request.headers["Authorization"] for request in world.server.requests} == {"Basic dG9rZW4="}


def test_a_repository_that_is_there_is_brought_into_shape_once(world: World, layout: Path) -> None:
    digest = read_manifest(layout).digest
    world.api.add_client_error("create_repository", "RepositoryAlreadyExistsException", expected_params=_MADE)
    world.api.add_response(
        "put_image_tag_mutability", {}, {"repositoryName": "shop", "imageTagMutability": "IMMUTABLE"}
    )
    scanned = {"repositoryName": "shop", "imageScanningConfiguration": {"scanOnPush": True}}
    world.api.add_response("put_image_scanning_configuration", {}, scanned)
    world.sets_lifecycle()
    world.gives_token("dG9rZW4=")
    world.confirms(digest, "1")
    world.confirms(digest, "2")

    world.registry.push(layout, "shop", "1")
    world.registry.push(layout, "shop", "2")

    assert world.registry.has("shop", digest)


def test_a_token_is_renewed_half_an_hour_before_its_end(world: World) -> None:
    world.gives_token("Zmlyc3Q=")
    world.registry.resolve("shop", "1")
    world.clock.sleep(11.4 * 3600)
    world.registry.resolve("shop", "1")
    world.clock.sleep(0.2 * 3600)
    world.gives_token("c2Vjb25k")

    world.registry.resolve("shop", "1")

    used = [request.headers["Authorization"] for request in world.server.requests]
    assert used == ["Basic Zmlyc3Q=", "Basic Zmlyc3Q=", "Basic c2Vjb25k"]
    assert len(world.addresses) == 1


def test_another_digest_than_was_pushed_is_a_conflict(world: World, layout: Path) -> None:
    other = f"sha256:{'1' * 64}"
    world.makes_repository()
    world.gives_token("dG9rZW4=")
    world.confirms(other)

    with pytest.raises(Conflict) as refusal:
        world.registry.push(layout, "shop", "1")

    assert other in refusal.value.what


def test_a_tag_that_ecr_kept_from_moving_is_a_conflict(world: World, layout: Path) -> None:
    other, path = f"sha256:{'1' * 64}", "/v2/shop/manifests/1"
    world.makes_repository()
    world.gives_token("dG9rZW4=")
    world.server.refuse_put(path, httpx.Response(400, json={"errors": [{"code": "TAG_INVALID"}]}), then_names=other)

    with pytest.raises(Conflict) as refusal:
        world.registry.push(layout, "shop", "1")

    assert other in refusal.value.what


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "ServerException"])
def test_a_refusing_api_is_unavailable_in_its_own_words(world: World, layout: Path, code: str) -> None:
    world.api.add_client_error("create_repository", code, "as AWS says it", expected_params=_MADE)

    with pytest.raises(ToolUnavailable, match=f"{code}.*as AWS says it"):
        world.registry.push(layout, "shop", "1")


def test_a_refused_token_appears_in_no_error(world: World) -> None:
    world.gives_token("QVdTOnRvcC1zZWNyZXQ=")
    echo = httpx.Response(403, text="denied for AWS:top-secret, QVdTOnRvcC1zZWNyZXQ=")
    world.server.answers["GET", f"/v2/shop/manifests/sha256:{'1' * 64}"] = echo

    with pytest.raises(ToolUnavailable) as failure:
        world.registry.has("shop", f"sha256:{'1' * 64}")

    assert "denied for" in str(failure.value)
    assert "top-secret" not in str(failure.value)
    assert "QVdTOnRvcC1zZWNyZXQ=" not in str(failure.value)
    assert "QVdTOnRvcC1zZWNyZXQ=" not in repr(vars(world.registry))
