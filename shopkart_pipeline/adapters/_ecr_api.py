"""What the pipeline asks of `boto3.client("ecr")`, which comes without types, and the account that it asks about.

Rules: Amazon ECR API reference, 2015-09-21.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Document = dict[str, Any]


class EcrClient(Protocol):
    """The calls, with the arguments of the API reference."""

    def get_authorization_token(self) -> Document: ...
    def describe_repositories(self, **query: Any) -> Document: ...
    def create_repository(self, **query: Any) -> Document: ...
    def put_image_tag_mutability(self, **query: Any) -> Document: ...
    def put_image_scanning_configuration(self, **query: Any) -> Document: ...
    def get_lifecycle_policy(self, **query: Any) -> Document: ...
    def put_lifecycle_policy(self, **query: Any) -> Document: ...
    def describe_images(self, **query: Any) -> Document: ...
    def start_image_scan(self, **query: Any) -> Document: ...
    def describe_image_scan_findings(self, **query: Any) -> Document: ...


class EcrApi:
    """One registry's API.

    Args:
        client: gives the client; called each time, so it may be made late.
        account: whose registry is meant; None: that of the credentials.
    """

    def __init__(self, client: Callable[[], EcrClient], account: str | None = None) -> None:
        self._client = client
        self.account = account

    @property
    def client(self) -> EcrClient:
        """The client; raises `ToolUnavailable` where there can't be one."""
        return self._client()

    @property
    def registry(self) -> Mapping[str, str]:
        """What every call is told."""
        return {} if self.account is None else {"registryId": self.account}

    def of(self, repository: str) -> Mapping[str, str]:
        """What every call about a repository is told."""
        return {**self.registry, "repositoryName": repository}
