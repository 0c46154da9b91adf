"""How the pipeline reaches a Docker Engine, and what it asks of it beside builds."""

import socket
from collections.abc import Iterable
from typing import Any, Protocol, cast

import docker
import docker.errors
import requests
import urllib3.exceptions

ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_UNIX = "unix://"


class Engine(Protocol):
    """What the pipeline asks of `docker.APIClient`, which comes without types."""

    def version(self) -> dict[str, Any]: ...
    def info(self) -> dict[str, Any]: ...
    def networks(self) -> list[dict[str, Any]]: ...
    def build(self, **options: object) -> Iterable[dict[str, Any]]: ...
    def import_image(self, src: str, repository: str, tag: str) -> str: ...
    def inspect_image(self, image: str) -> dict[str, Any]: ...
    def get_image(self, image: str) -> Iterable[bytes]: ...
    def remove_image(self, image: str, *, noprune: bool) -> object: ...
    def prune_builds(self, *, keep_storage: int) -> dict[str, Any]: ...
    def close(self) -> None: ...


def connect(host: str, timeout_seconds: float) -> Engine:
    """A client of the engine at `host`; raises one of `ENGINE_ERRORS` where none answers in time."""
    if host.startswith(_UNIX):
        # The client leaves a socket open where nobody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout_seconds)
            probe.connect(host.removeprefix(_UNIX))
    # Typed as whole seconds, and passed on to `requests`, which takes fractions.
    return cast("Engine", docker.APIClient(base_url=host, version="auto", timeout=cast("int", timeout_seconds)))


def words_of(error: Exception) -> str:
    """What the engine says, without the address of the request that it says it about."""
    return str(getattr(error, "explanation", None) or error)


def network_of(engine: Engine) -> str:
    """The engine's own bridge for commands of the Dockerfile, or the host's network where it has none."""
    names = {network["Name"] for network in engine.networks()}
    return "default" if "bridge" in names else "host"


def forget(engine: Engine, tag: str | None) -> None:
    """Take a tag of ours away, and keep the layers that later builds will need."""
    if tag is None:
        return
    try:
        engine.remove_image(tag, noprune=True)
    except ENGINE_ERRORS:
        # The build ended before there was an image.
        return
