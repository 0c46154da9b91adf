"""Keeps images in Amazon ECR: its API for what only it knows, the distribution protocol for the images.

A repository is made, or brought into shape, before the first push to it (`_ecr_repository`). Tokens are good for twelve
hours; one is used until half an hour before its end, and one that ECR does not take all the same, in the middle of a
long push, is replaced once per request. What was pushed counts only when ECR itself names the same digest. The result
of ECR's scan is read back (`_ecr_scan`).

Rules: Amazon ECR API reference (`GetAuthorizationToken`, `DescribeImages`).
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from shopkart_pipeline.adapters._aws import LazyClient, aws_errors, error_code
from shopkart_pipeline.adapters._blob_places import BlobPlaces
from shopkart_pipeline.adapters._ecr_api import Document, EcrApi
from shopkart_pipeline.adapters._ecr_repository import ensure_repository
from shopkart_pipeline.adapters._ecr_scan import ScanReader
from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci_names import check_digest, check_repository, tag_taken
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.registry import Registry, RegistryScanning
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import Attachment, ImageRegistry, NotScanned, Referrer, RegistryScan

_EARLY = timedelta(minutes=30)
_CONFIRMATIONS = 5
_UNKNOWN_IMAGE = "ImageNotFoundException"
_AWS_HOST = re.compile(r"\.amazonaws\.com(\.cn)?$|\.aws$")
_ACCOUNT_IN_HOST = re.compile(r"//\d{12}\.")


@dataclass(frozen=True)
class _Login:
    address: str
    authorization: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Credentials:
    """What gives the `Authorization` header, and what is told of a value that was not taken."""

    current: Callable[[], str]
    renew: Callable[[str], None]


Connect = Callable[[str, Credentials], HttpClient]
"""Makes a client for an address."""


def connect(address: str, credentials: Credentials) -> HttpClient:
    """The client for production: the environment's proxies count, as they do for AWS's own API."""
    return HttpClient(
        "ECR",
        address,
        timeout_seconds=600.0,
        authorization=credentials.current,
        renew=credentials.renew,
        environment=address.startswith("https:"),
    )


class EcrRegistry(ImageRegistry):
    """The private registry of an AWS account in a region, as `api` is configured.

    Args:
        api: ECR's API.
        clock: tells when a token has to be renewed, and waits for scans.
        endpoint: address of the API where it isn't AWS's own.
        scans: whether images are to be scanned when they arrive.
        places: folder that remembers where blobs were seen before; None: nothing is mounted.
        connect: makes the client for the images; replaced in tests.
    """

    name = "ecr"

    def __init__(
        self,
        api: EcrApi,
        clock: Clock,
        *,
        endpoint: str | None = None,
        scans: bool = True,
        places: Path | None = None,
        connect: Connect = connect,
    ) -> None:
        self._api = api
        self._clock = clock
        self._endpoint = endpoint
        self._scans = scans
        self._places = places
        self._connect = connect
        self._lock = threading.RLock()
        self._login: _Login | None = None
        self._registry: tuple[str, OciHttpRegistry] | None = None
        self._ensured: set[str] = set()

    def push(self, layout: Path, repository: str, tag: str) -> str:
        """Push as `OciHttpRegistry.push` does, into a repository in good shape; ECR confirms the digest.

        Raises:
            Refused: the repository's lifecycle policy expires images that may be running.
        """
        if check_repository(repository) not in self._ensured:
            with aws_errors():
                ensure_repository(self._api, repository, scans=self._scans)
            self._ensured.add(repository)
        pushed = self._images().push(layout, repository, tag)
        with aws_errors():
            confirmed = self._confirm(repository, tag)
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

    def reference(self, repository: str, digest: str) -> str:
        """The image's name with the registry's host."""
        return self._images().reference(repository, digest)

    def attach(
        self,
        repository: str,
        subject_digest: str,
        artifact_type: str,
        content: bytes,
        annotations: Mapping[str, str],
    ) -> str:
        """Keep a content beside an image, as `OciHttpRegistry.attach` does."""
        return self._images().attach(repository, subject_digest, artifact_type, content, annotations)

    def attach_all(self, repository: str, subject_digest: str, attachments: Sequence[Attachment]) -> tuple[str, ...]:
        """Keep several beside an image."""
        return self._images().attach_all(repository, subject_digest, attachments)

    def referrers(self, repository: str, subject_digest: str, artifact_type: str | None = None) -> tuple[Referrer, ...]:
        """What is kept beside an image."""
        return self._images().referrers(repository, subject_digest, artifact_type)

    def read_attached(self, repository: str, digest: str) -> bytes:
        """The verified content of what is kept beside an image."""
        return self._images().read_attached(repository, digest)

    def keep_for_cosign(self, repository: str, subject_digest: str, envelopes: Mapping[bytes, str]) -> None:
        """Put envelopes where cosign 2 looks; see `_cosign_tag`."""
        self._images().keep_for_cosign(repository, subject_digest, envelopes)

    def kept_for_cosign(self, repository: str, subject_digest: str) -> tuple[bytes, ...]:
        """The envelopes in that place."""
        return self._images().kept_for_cosign(repository, subject_digest)

    def scan_findings(self, repository: str, digest: str, deadline: datetime) -> RegistryScan | NotScanned:
        """What ECR's scan found; see `_ecr_scan`."""
        with aws_errors():
            reader = ScanReader(self._api, self._clock)
            return reader.read(check_repository(repository), check_digest(digest), deadline)

    def _confirm(self, repository: str, tag: str) -> str:
        """The digest that ECR's API names; what was pushed may take a moment to be seen there."""
        query = {**self._api.of(repository), "imageIds": [{"imageTag": tag}]}
        for left in reversed(range(_CONFIRMATIONS)):
            try:
                found: list[Document] = self._api.client.describe_images(**query)["imageDetails"]
            except ClientError as error:
                if error_code(error) != _UNKNOWN_IMAGE:
                    raise
                found = []
            if found:
                return check_digest(str(found[0]["imageDigest"]))
            if left:
                self._clock.sleep(1.0)
        raise ToolUnavailable(f"ECR does not show {repository}:{tag} after its push.", "Look at the repository there.")

    def _images(self) -> OciHttpRegistry:
        with self._lock:
            address = self._current_login().address
            if self._registry is None or self._registry[0] != address:
                client = self._connect(address, Credentials(lambda: self._current_login().authorization, self._drop))
                places = BlobPlaces(self._places, address) if self._places else None
                self._registry = (address, OciHttpRegistry(client, urlsplit(address).netloc, places))
            return self._registry[1]

    def _current_login(self) -> _Login:
        with self._lock:
            if self._login is None or self._clock.now() >= self._login.expires_at - _EARLY:
                with aws_errors():
                    (data,) = self._api.client.get_authorization_token()["authorizationData"]
                address = self._address(str(data["proxyEndpoint"]))
                self._login = _Login(address, f"Basic {data['authorizationToken']}", data["expiresAt"])
            return self._login

    def _drop(self, authorization: str) -> None:
        """Forget a token that was not taken, unless another thread has replaced it already."""
        with self._lock:
            if self._login is not None and self._login.authorization == authorization:
                self._login = None

    def _address(self, named: str) -> str:
        """Where the images are: where the token's answer says, in the declared account's registry. A server that only
        speaks like AWS, and names AWS's own address, is meant itself: its tokens must not go to AWS."""
        if self._endpoint and not _is_aws(self._endpoint) and _is_aws(named):
            return self._endpoint
        return _ACCOUNT_IN_HOST.sub(f"//{self._api.account}.", named, count=1) if self._api.account else named


def ecr_registry(declared: Registry, clock: Clock, places: Path) -> EcrRegistry:
    """The registry that the declaration names. Nothing is opened before it is used.

    Args:
        declared: of kind `ecr`.
        clock: tells and passes the time.
        places: folder that remembers where blobs were seen before.
    """
    client = LazyClient("ecr", declared.region, declared.endpoint)
    scans = declared.scanning is not RegistryScanning.OFF
    return EcrRegistry(EcrApi(client, declared.account), clock, endpoint=declared.endpoint, scans=scans, places=places)


def _is_aws(address: str) -> bool:
    return _AWS_HOST.search(urlsplit(address).hostname or "") is not None
