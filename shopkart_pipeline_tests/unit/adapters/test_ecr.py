"""ECR's API through botocore's own stubs, and the images through a registry in memory."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.stub import Stubber

from shopkart_pipeline.adapters._ecr_api import EcrApi
from shopkart_pipeline.adapters._ecr_repository import LIFECYCLE
from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters.ecr import Credentials, EcrRegistry
from shopkart_pipeline.domain.errors import Conflict, Refused, ToolUnavailable
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.fake_distribution import FakeDistribution

_START = datetime(2025, 3, 14, 12, 0, tzinfo=UTC)
_HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
_ADDRESS = f"https://{_HOST}"
_SHOP = {"repositoryName": "shop"}
_IN_SHAPE = {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}


class World:
    """An account with one region, and the registry under test in it."""

    def __init__(self, account: str | None = None, endpoint: str | None = None) -> None:
        client = boto3.client("ecr", region_name="eu-central-1", aws_access_key_id="id", aws_secret_access_key="key")
        self.api = Stubber(client)
        self.clock = FakeClock(_START)
        self.server = FakeDistribution()
        self.addresses: list[str] = []
        self.registry = EcrRegistry(
            EcrApi(lambda: client, account), self.clock, endpoint=endpoint, connect=self._connect
        )

    def _connect(self, address: str, credentials: Credentials) -> HttpClient:
        self.addresses.append(address)
        return HttpClient(
            "ECR",
            address,
            authorization=credentials.current,
            renew=credentials.renew,
            transport=self.server,
            pause=lambda _: None,
        )

    def gives_token(self, token: str, hours: float = 12.0, address: str = _ADDRESS) -> None:
        expires_at = self.clock.now() + timedelta(hours=hours)
        data = {"authorizationToken": token, "expiresAt": expires_at, "proxyEndpoint": address}
        self.api.add_response("get_authorization_token", {"authorizationData": [data]}, {})

    def has_repository(self, **shape: Any) -> None:
        repositories = {"repositories": [_SHOP | _IN_SHAPE | shape]}
        self.api.add_response("describe_repositories", repositories, {"repositoryNames": ["shop"]})

    def has_no_repository(self) -> None:
        self.fails("describe_repositories", "RepositoryNotFoundException", {"repositoryNames": ["shop"]})

    def has_lifecycle(self, text: str = LIFECYCLE) -> None:
        self.api.add_response("get_lifecycle_policy", _SHOP | {"lifecyclePolicyText": text}, _SHOP)

    def is_in_shape(self) -> None:
        self.has_repository()
        self.has_lifecycle()

    def confirms(self, digest: str, tag: str = "1") -> None:
        details: dict[str, Any] = {"imageDetails": [{"imageDigest": digest}]}
        self.api.add_response("describe_images", details, _SHOP | {"imageIds": [{"imageTag": tag}]})

    def fails(self, call: str, code: str, expected: dict[str, Any], message: str = "as AWS says it") -> None:
        self.api.add_client_error(call, code, message, expected_params=expected)

    def used(self) -> list[str]:
        """The `Authorization` headers that reached the registry."""
        return [request.headers["Authorization"] for request in self.server.requests]


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


def digest_of(layout: Path) -> str:
    return read_manifest(layout).digest


# The repository.


def test_the_first_push_makes_the_repository_with_immutable_tags(world: World, layout: Path) -> None:
    world.has_no_repository()
    world.api.add_response("create_repository", {"repository": {}}, _SHOP | _IN_SHAPE)
    world.fails("get_lifecycle_policy", "LifecyclePolicyNotFoundException", _SHOP)
    world.api.add_response("put_lifecycle_policy", _SHOP, _SHOP | {"lifecyclePolicyText": LIFECYCLE})
    world.gives_token("dG9rZW4=")
    world.confirms(digest_of(layout))

    assert world.registry.push(layout, "shop", "1") == digest_of(layout)
    assert world.addresses == [_ADDRESS]
    assert set(world.used()) == {"Basic dG9rZW4="}
    assert world.registry.reference("shop", "sha256:x") == f"{_HOST}/shop@sha256:x"


def test_our_lifecycle_policy_spares_everything_that_has_a_tag() -> None:
    [rule] = json.loads(LIFECYCLE)["rules"]

    assert rule["selection"]["tagStatus"] == "untagged"


def test_a_repository_in_shape_is_looked_at_once_and_not_changed(world: World, layout: Path) -> None:
    world.is_in_shape()
    world.gives_token("dG9rZW4=")
    world.confirms(digest_of(layout), "1")
    world.confirms(digest_of(layout), "2")

    world.registry.push(layout, "shop", "1")
    world.registry.push(layout, "shop", "2")

    assert world.registry.has("shop", digest_of(layout))


def test_tags_of_attestations_may_move(world: World, layout: Path) -> None:
    excluded = {"filterType": "WILDCARD", "filter": "sha256-*.att"}
    world.has_repository(imageTagMutability="IMMUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters=[excluded])
    world.has_lifecycle()
    world.gives_token("dG9rZW4=")
    world.confirms(digest_of(layout))

    world.registry.push(layout, "shop", "1")


_RELEASES_MOVE: dict[str, Any] = {
    "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
    "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "1*"}],
}


@pytest.mark.parametrize("tags", [{"imageTagMutability": "MUTABLE"}, _RELEASES_MOVE])
def test_a_repository_out_of_shape_is_brought_into_it(world: World, layout: Path, tags: dict[str, Any]) -> None:
    world.has_repository(**tags, imageScanningConfiguration={"scanOnPush": False})
    world.api.add_response("put_image_tag_mutability", {}, _SHOP | {"imageTagMutability": "IMMUTABLE"})
    scanned = _SHOP | {"imageScanningConfiguration": {"scanOnPush": True}}
    world.api.add_response("put_image_scanning_configuration", {}, scanned)
    world.has_lifecycle()
    world.gives_token("dG9rZW4=")
    world.confirms(digest_of(layout))

    world.registry.push(layout, "shop", "1")


def test_a_registry_that_decides_about_scans_for_all_may_refuse_to_be_told(world: World, layout: Path) -> None:
    world.has_repository(imageScanningConfiguration={"scanOnPush": False})
    world.api.add_client_error("put_image_scanning_configuration", "ValidationException", "by registry")
    world.has_lifecycle()
    world.gives_token("dG9rZW4=")
    world.confirms(digest_of(layout))

    world.registry.push(layout, "shop", "1")


def test_a_repository_that_somebody_else_makes_meanwhile_is_looked_at(world: World, layout: Path) -> None:
    world.has_no_repository()
    world.fails("create_repository", "RepositoryAlreadyExistsException", _SHOP | _IN_SHAPE)
    world.has_repository(imageTagMutability="MUTABLE")
    world.api.add_response("put_image_tag_mutability", {}, _SHOP | {"imageTagMutability": "IMMUTABLE"})
    world.has_lifecycle()
    world.gives_token("dG9rZW4=")
    world.confirms(digest_of(layout))

    world.registry.push(layout, "shop", "1")


_TAGGED = {"rules": [{"selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5}}]}


@pytest.mark.parametrize("text", [json.dumps(_TAGGED), "[]".ljust(100), "{".ljust(100), " " * 100])
def test_nothing_is_pushed_under_a_policy_that_may_expire_what_runs(world: World, layout: Path, text: str) -> None:
    world.has_repository()
    world.has_lifecycle(text)

    with pytest.raises(Refused, match="The lifecycle policy of shop expires images that have tags"):
        world.registry.push(layout, "shop", "1")

    assert world.server.requests == []


# Tokens.


def test_a_token_is_renewed_half_an_hour_before_its_end(world: World) -> None:
    world.gives_token("Zmlyc3Q=")
    world.registry.resolve("shop", "1")
    world.clock.advance(11.4 * 3600)
    world.registry.resolve("shop", "1")
    world.clock.advance(0.2 * 3600)
    world.gives_token("c2Vjb25k")

    world.registry.resolve("shop", "1")

    assert world.used() == ["Basic Zmlyc3Q=", "Basic Zmlyc3Q=", "Basic c2Vjb25k"]
    assert len(world.addresses) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_ends_in_the_middle_of_a_push_is_replaced(world: World, layout: Path, status: int) -> None:
    world.is_in_shape()
    world.gives_token("Zmlyc3Q=")
    refusal = httpx.Response(status, text="Your authorization token has expired. Reauthenticate and try again.")
    world.server.answers["PUT", "/v2/shop/manifests/1"] = refusal
    world.gives_token("c2Vjb25k")
    world.confirms(digest_of(layout))

    assert world.registry.push(layout, "shop", "1") == digest_of(layout)

    used = dict.fromkeys(world.used())
    assert list(used) == ["Basic Zmlyc3Q=", "Basic c2Vjb25k"]


def test_a_new_token_that_is_refused_too_is_the_end(world: World) -> None:
    world.gives_token("Zmlyc3Q=")
    world.gives_token("c2Vjb25k")
    world.server.refuse_everything = httpx.Response(403, text="no basic auth credentials")

    with pytest.raises(ToolUnavailable, match="ECR answered 403") as failure:
        world.registry.resolve("shop", "1")

    assert world.used() == ["Basic Zmlyc3Q=", "Basic c2Vjb25k"]
    assert "credentials" in failure.value.fix


def test_a_refused_token_appears_in_no_error(world: World) -> None:
    world.gives_token("QVdTOnRvcC1zZWNyZXQ=")
    world.gives_token("QVdTOnRvcC1zZWNyZXQ=")
    world.server.refuse_everything = httpx.Response(403, text="denied for AWS:top-secret, QVdTOnRvcC1zZWNyZXQ=")

    with pytest.raises(ToolUnavailable) as failure:
        world.registry.has("shop", f"sha256:{'1' * 64}")

    assert "denied for" in str(failure.value)
    assert "top-secret" not in str(failure.value)
    assert "QVdTOnRvcC1zZWNyZXQ=" not in str(failure.value)
    assert "QVdTOnRvcC1zZWNyZXQ=" not in repr(vars(world.registry))


# Whose registry it is.


@pytest.mark.parametrize(
    ("endpoint", "named", "address"),
    [
        (None, _ADDRESS, _ADDRESS),
        ("https://api.ecr.eu-central-1.amazonaws.com", _ADDRESS, _ADDRESS),
        ("http://127.0.0.1:4566", _ADDRESS, "http://127.0.0.1:4566"),
        ("http://127.0.0.1:4566", "http://127.0.0.1:4510", "http://127.0.0.1:4510"),
    ],
)
def test_a_server_that_only_speaks_like_aws_is_meant_itself(endpoint: str | None, named: str, address: str) -> None:
    world = World(endpoint=endpoint)
    with world.api:
        world.gives_token("dG9rZW4=", address=named)
        world.registry.resolve("shop", "1")

    assert world.addresses == [address]


def test_a_declared_account_is_the_one_that_is_asked_and_pushed_to(layout: Path) -> None:
    world, account = World(account="999999999999"), {"registryId": "999999999999"}
    repositories = {"repositories": [_SHOP | _IN_SHAPE]}
    with world.api as api:
        api.add_response("describe_repositories", repositories, account | {"repositoryNames": ["shop"]})
        api.add_response("get_lifecycle_policy", _SHOP | {"lifecyclePolicyText": LIFECYCLE}, account | _SHOP)
        world.gives_token("dG9rZW4=")
        found = {"imageDetails": [{"imageDigest": digest_of(layout)}]}
        api.add_response("describe_images", found, account | _SHOP | {"imageIds": [{"imageTag": "1"}]})

        world.registry.push(layout, "shop", "1")

    assert world.addresses == ["https://999999999999.dkr.ecr.eu-central-1.amazonaws.com"]


# The digest, from the registry's side.


def test_another_digest_than_was_pushed_is_a_conflict(world: World, layout: Path) -> None:
    other = f"sha256:{'1' * 64}"
    world.is_in_shape()
    world.gives_token("dG9rZW4=")
    world.confirms(other)

    with pytest.raises(Conflict) as refusal:
        world.registry.push(layout, "shop", "1")

    assert other in refusal.value.what


def test_an_image_that_is_seen_a_moment_later_is_waited_for(world: World, layout: Path) -> None:
    world.is_in_shape()
    world.gives_token("dG9rZW4=")
    tag = _SHOP | {"imageIds": [{"imageTag": "1"}]}
    world.fails("describe_images", "ImageNotFoundException", tag)
    world.api.add_response("describe_images", {"imageDetails": []}, tag)
    world.confirms(digest_of(layout))

    assert world.registry.push(layout, "shop", "1") == digest_of(layout)
    assert world.clock.slept_seconds == 2.0


def test_an_image_that_ecr_never_shows_is_not_published(world: World, layout: Path) -> None:
    world.is_in_shape()
    world.gives_token("dG9rZW4=")
    for _ in range(5):
        world.api.add_response("describe_images", {"imageDetails": []})

    with pytest.raises(ToolUnavailable, match="ECR does not show shop:1 after its push"):
        world.registry.push(layout, "shop", "1")


def test_a_tag_that_ecr_kept_from_moving_is_a_conflict(world: World, layout: Path) -> None:
    other, path = f"sha256:{'1' * 64}", "/v2/shop/manifests/1"
    world.is_in_shape()
    world.gives_token("dG9rZW4=")
    world.server.refuse_put(path, httpx.Response(400, json={"errors": [{"code": "TAG_INVALID"}]}), then_names=other)

    with pytest.raises(Conflict) as refusal:
        world.registry.push(layout, "shop", "1")

    assert other in refusal.value.what
