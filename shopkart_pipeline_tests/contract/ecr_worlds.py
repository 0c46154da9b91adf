"""ECR under test, on the stand-ins for AWS. Their servers are shared, so each registry has repositories of its own.

`ministack` is the API and the registry in one. `moto` is the API alone: the images go to Debian's `docker-registry`,
which lets in whoever brings moto's token, and each image is put into moto as well (`_Bridge`), as ECR's two sides know
of each other.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.exceptions import ClientError

from shopkart_pipeline.adapters._ecr_api import EcrApi
from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters._oci_documents import digest_of
from shopkart_pipeline.adapters.ecr import Credentials, EcrRegistry, connect
from shopkart_pipeline.adapters.prefixed_registry import PrefixedRegistry
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline_tests.contract.registry_server import running_registry

REGION = "eu-central-1"
_MOTO_USER = "AWS:$2y$04$QwqK1Uy5zcmRzxEM4fKjSuJCHerSy1r0kljjCXVOEleqPwaTeLsqi\n"
"""The user in the token that moto gives for its account; the password is `123456789012-auth-token`."""
_numbers = itertools.count()


def client_of(address: str, service: str = "ecr", key: tuple[str, str] = ("test", "test")) -> Any:
    """AWS's client for a stand-in."""
    identity, secret = key
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=address,
        aws_access_key_id=identity,
        aws_secret_access_key=secret,
    )


def a_prefix() -> str:
    """The beginning of names that nobody else uses."""
    return f"t{os.getpid()}-{next(_numbers)}/"


@contextlib.contextmanager
def ministack_registry(address: str, prefix: str | None = None) -> Iterator[PrefixedRegistry]:
    """ECR as ministack has it."""
    api = client_of(address)
    with contextlib.ExitStack() as stack:

        def connecting(address: str, credentials: Credentials) -> HttpClient:
            client = connect(address, credentials)
            stack.callback(client.close)
            return client

        registry = EcrRegistry(EcrApi(lambda: api), SystemClock(), endpoint=address, connect=connecting)
        yield PrefixedRegistry(registry, prefix or a_prefix())


@contextlib.contextmanager
def moto_registry(
    address: str,
    folder: Path,
    *,
    prefix: str | None = None,
    key: tuple[str, str] = ("test", "test"),
    clock: Clock | None = None,
) -> Iterator[PrefixedRegistry]:
    """ECR's API as moto has it, with a registry behind it that stores below `folder`."""
    api = client_of(address, key=key)
    with running_registry(folder, users=_MOTO_USER) as images, contextlib.ExitStack() as stack:

        def connecting(named: str, credentials: Credentials) -> HttpClient:
            assert named == f"https://123456789012.dkr.ecr.{REGION}.amazonaws.com"
            client = HttpClient(
                "ECR",
                images,
                authorization=credentials.current,
                renew=credentials.renew,
                transport=_Bridge(api),
            )
            stack.callback(client.close)
            return client

        registry = EcrRegistry(EcrApi(lambda: api), clock or SystemClock(), connect=connecting)
        yield PrefixedRegistry(registry, prefix or a_prefix())


class _Bridge(httpx.HTTPTransport):
    """Has moto put every image before its manifest goes on to the registry, and answers as ECR where moto refuses."""

    def __init__(self, api: Any) -> None:
        super().__init__()
        self._api = api

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        repository, is_manifest, tag = request.url.path.removeprefix("/v2/").partition("/manifests/")
        if request.method == "PUT" and is_manifest:
            refusal = self._put_image(repository, tag, request)
            if refusal:
                return httpx.Response(refusal[0], content=iter([refusal[1].encode()]))
        return super().handle_request(request)

    def _put_image(self, repository: str, tag: str, request: httpx.Request) -> tuple[int, str] | None:
        manifest = request.read()
        try:
            self._api.put_image(
                repositoryName=repository,
                imageTag=tag,
                imageManifest=manifest.decode(),
                imageManifestMediaType=request.headers["Content-Type"],
                imageDigest=digest_of(manifest),
            )
        except self._api.exceptions.ImageAlreadyExistsException:
            return None
        except self._api.exceptions.ImageTagAlreadyExistsException as error:
            return 400, f"TAG_INVALID: {error}"
        except ClientError as error:
            return 403, f"DENIED: {error}"
        return None
