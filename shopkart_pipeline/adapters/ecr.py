"""Keeps images in Amazon ECR: its API for what only it knows, the distribution protocol for the images.

A repository is made, or brought into shape, before the first push to it: tags immutable, images scanned when they
arrive, images without a tag expired. Tagged images are never expired here, because one of them is running. Tokens are
good for twelve hours; one is used until half an hour before its end. What was pushed counts only when ECR itself names
the same digest.

Rules: Amazon ECR API reference (`CreateRepository`, `GetAuthorizationToken`, `DescribeImages`).
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci_names import check_repository, tag_taken
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import ImageRegistry

_EARLY = timedelta(minutes=30)
_IMMUTABLE = "IMMUTABLE"
_SCAN = {"scanOnPush": True}
_SELECTION = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}
_RULE = {"rulePriority": 1, "selection": _SELECTION, "action": {"type": "expire"}}
_LIFECYCLE = json.dumps({"rules": [{**_RULE, "description": "Left-overs of pushes that did not finish."}]})


class EcrApi(Protocol):
    """What the pipeline asks of `boto3.client("ecr")`, which comes without types."""

    def get_authorization_token(self) -> dict[str, Any]: ...
    def create_repository(
        self, *, repositoryName: str, imageTagMutability: str, imageScanningConfiguration: Mapping[str, bool]
    ) -> dict[str, Any]: ...
    def put_image_tag_mutability(self, *, repositoryName: str, imageTagMutability: str) -> dict[str, Any]: ...
    def put_image_scanning_configuration(
        self, *, repositoryName: str, imageScanningConfiguration: Mapping[str, bool]
    ) -> dict[str, Any]: ...
    def put_lifecycle_policy(self, *, repositoryName: str, lifecyclePolicyText: str) -> dict[str, Any]: ...
    def describe_images(self, *, repositoryName: str, imageIds: Sequence[Mapping[str, str]]) -> dict[str, Any]: ...


@dataclass(frozen=True)
class _Login:
    address: str
    authorization: str = field(repr=False)
    expires_at: datetime


Connect = Callable[[str, Callable[[], str]], HttpClient]
"""Makes a client for an address, with what gives the `Authorization` header."""


def connect(address: str, authorization: Callable[[], str]) -> HttpClient:
    """The client for production: the environment's proxies count, as they do for AWS's own API."""
    return HttpClient("ECR", address, timeout_seconds=600.0, authorization=authorization, environment=True)


class EcrRegistry(ImageRegistry):
    """The private registry of an AWS account in a region, as `api` is configured.

    Args:
        api: `boto3.client("ecr")`, with its own time limits.
        clock: tells when a token has to be renewed.
        connect: makes the client for the images; replaced in tests.
    """

    name = "ecr"

    def __init__(self, api: EcrApi, clock: Clock, connect: Connect = connect) -> None:
        self._api = api
        self._clock = clock
        self._connect = connect
        self._login: _Login | None = None
        self._registry: tuple[str, OciHttpRegistry] | None = None
        self._ensured: set[str] = set()

    def push(self, layout: Path, repository: str, tag: str) -> str:
        """Push as `OciHttpRegistry.push` does, into a repository in good shape; ECR confirms the digest."""
        self._ensure(check_repository(repository))
        pushed = self._images().push(layout, repository, tag)
        with _answering():
            found = self._api.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
        confirmed = str(found["imageDetails"][0]["imageDigest"])
        if confirmed != pushed:
            raise tag_taken(repository, tag, confirmed, pushed)
        return confirmed

    def resolve(self, repository: str, tag: str) -> str | None:
        """The digest that a tag names, or None."""
        return self._images().resolve(repository, tag)

    def has(self, repository: str, digest: str) -> bool:
        """Whether ECR answers for the manifest and for every blob."""
        return self._images().has(repository, digest)

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        """Fetch the image as a layout; raises as `OciHttpRegistry.pull` does."""
        self._images().pull(repository, digest, layout)

    def _ensure(self, repository: str) -> None:
        if repository in self._ensured:
            return
        api, name = self._api, repository
        with _answering():
            try:
                api.create_repository(
                    repositoryName=name, imageTagMutability=_IMMUTABLE, imageScanningConfiguration=_SCAN
                )
            except ClientError as error:
                if _code(error) != "RepositoryAlreadyExistsException":
                    raise
                api.put_image_tag_mutability(repositoryName=name, imageTagMutability=_IMMUTABLE)
                api.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration=_SCAN)
            api.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=_LIFECYCLE)
        self._ensured.add(repository)

    def _images(self) -> OciHttpRegistry:
        address = self._current_login().address
        if self._registry is None or self._registry[0] != address:
            client = self._connect(address, lambda: self._current_login().authorization)
            self._registry = (address, OciHttpRegistry(client))
        return self._registry[1]

    def _current_login(self) -> _Login:
        if self._login is None or self._clock.now() >= self._login.expires_at - _EARLY:
            with _answering():
                (data,) = self._api.get_authorization_token()["authorizationData"]
            authorization = f"Basic {data['authorizationToken']}"
            self._login = _Login(str(data["proxyEndpoint"]), authorization, cast("datetime", data["expiresAt"]))
        return self._login


@contextmanager
def _answering() -> Generator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise ToolUnavailable(
            f"ECR does not do what was asked: {error}.", "Check region, credentials and rights."
        ) from error


def _code(error: ClientError) -> str:
    response = cast("dict[str, dict[str, str]]", error.response)
    return response.get("Error", {}).get("Code", "")
