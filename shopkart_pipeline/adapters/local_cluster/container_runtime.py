"""Replicas as containers of a Docker Engine on this machine.

A container gets the host's network, where datastores and load balancer are, and otherwise as little as possible: a
read-only file system with a temporary `/tmp`, no capabilities, no root. An engine knows an image by the digest of its
configuration, or, where it keeps images in containerd, by one of its own making: then the tag finds it, which says the
image's digest. One that it doesn't have yet is loaded from the registry, layers as they are.

The engine keeps containers when the controller dies. Their output is copied into the replica's log file by threads
that a new controller starts anew, from where the log ends.
"""

import asyncio
import contextlib
import json
import tarfile
import tempfile
import threading
from collections.abc import Collection, Generator, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, cast

import docker
import docker.errors
import requests

from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters._oci_documents import Manifest, blob_path
from shopkart_pipeline.adapters.local_cluster.images import Image
from shopkart_pipeline.adapters.local_cluster.runtime import DEFAULT_HOST, Launch, Runtime
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.ports.registry import ImageRegistry

LABEL = "com.shopkart.cluster"
"""On every container: the home that it belongs to."""
_LOG_LABEL = "com.shopkart.log"
_NOBODY = "65532:65532"
_POLL_SECONDS = 0.3
_ANSWER_SECONDS = 60
_LAST_WORDS_SECONDS = 10.0
_ROOT = ("", "0", "root")
_ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException)


class _Engine(Protocol):
    """What the runtime asks of `docker.APIClient`, which comes without types."""

    def inspect_image(self, image: str) -> Mapping[str, Any]: ...
    def load_image(self, data: Any) -> Iterable[Mapping[str, Any]]: ...
    def create_host_config(self, **options: Any) -> Mapping[str, Any]: ...
    def create_container(self, **options: Any) -> Mapping[str, Any]: ...
    def start(self, container: str) -> None: ...
    def inspect_container(self, container: str) -> Mapping[str, Any]: ...
    def stop(self, container: str, timeout: int) -> None: ...
    def remove_container(self, container: str, *, force: bool) -> None: ...
    def containers(self, *, all: bool, filters: Mapping[str, str]) -> list[Mapping[str, Any]]: ...
    def logs(self, container: str, *, stream: bool, follow: bool, since: float | None) -> Iterable[bytes]: ...
    def close(self) -> None: ...


class ContainerRuntime(Runtime):
    """Runs replicas with the engine at `host`.

    Args:
        home_mark: tells this home's containers from others'.
        registry: where images come from.
        host: the engine's address, as `DOCKER_HOST` spells it.
    """

    name = "docker"

    def __init__(self, home_mark: str, registry: ImageRegistry, host: str = DEFAULT_HOST) -> None:
        self._mark = home_mark
        self._registry = registry
        self._host = host
        self._followers: dict[str, threading.Thread] = {}

    async def start(self, launch: Launch) -> str:
        return await asyncio.to_thread(self._start, launch)

    def _start(self, launch: Launch) -> str:
        with self._engine() as engine:
            image = _ensure_image(engine, launch.image, self._registry)
            options = container_options(launch, self._mark, image)
            host = engine.create_host_config(**options.pop("host"))
            created = engine.create_container(**options, host_config=host)
            handle = str(created["Id"])
            try:
                engine.start(handle)
            except _ENGINE_ERRORS:
                engine.remove_container(handle, force=True)
                raise
        self._follow(handle, launch.log)
        return handle

    def _follow(self, handle: str, log: Path) -> None:
        if handle not in self._followers:
            self._followers[handle] = threading.Thread(target=self._copy_output, args=(handle, log), daemon=True)
            self._followers[handle].start()

    def _copy_output(self, handle: str, log: Path) -> None:
        since = log.stat().st_mtime if log.exists() else None
        with contextlib.suppress(PipelineError), self._engine(timeout_seconds=None) as engine, log.open("ab") as target:
            for piece in engine.logs(handle, stream=True, follow=True, since=since):
                target.write(piece)
                target.flush()

    async def alive(self, handle: str) -> bool:
        state = await asyncio.to_thread(self._state, handle)
        return state is not None and bool(state["Running"])

    def _state(self, handle: str) -> Mapping[str, Any] | None:
        """What the engine says about a container; None where it is gone."""
        with self._engine() as engine:
            try:
                inspected = engine.inspect_container(handle)
            except docker.errors.NotFound:
                return None
        log = inspected["Config"]["Labels"].get(_LOG_LABEL)
        if inspected["State"]["Running"] and log is not None:
            self._follow(handle, Path(log))
        return cast("Mapping[str, Any]", inspected["State"])

    async def wait(self, handle: str) -> int | None:
        while True:
            try:
                state = await asyncio.to_thread(self._state, handle)
            except ToolUnavailable:
                # An engine that is away says nothing about its containers.
                await asyncio.sleep(_POLL_SECONDS)
                continue
            if state is None:
                return None
            if not state["Running"]:
                await asyncio.to_thread(self._remove, handle)
                return int(state["ExitCode"])
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(self, handle: str, grace_seconds: float) -> None:
        await asyncio.to_thread(self._stop, handle, grace_seconds)

    def _stop(self, handle: str, grace_seconds: float) -> None:
        with self._engine(_ANSWER_SECONDS + grace_seconds) as engine, contextlib.suppress(docker.errors.NotFound):
            engine.stop(handle, timeout=round(grace_seconds))
        self._remove(handle)

    def _remove(self, handle: str) -> None:
        # With a container its output is gone, of which the last words may not have been copied yet.
        follower = self._followers.pop(handle, None)
        if follower is not None:
            follower.join(_LAST_WORDS_SECONDS)
        with self._engine() as engine, contextlib.suppress(docker.errors.NotFound):
            engine.remove_container(handle, force=True)

    async def sweep(self, known: Collection[str]) -> None:
        await asyncio.to_thread(self._sweep, known)

    def _sweep(self, known: Collection[str]) -> None:
        with self._engine() as engine:
            found = engine.containers(all=True, filters={"label": f"{LABEL}={self._mark}"})
        for container in found:
            if container["Id"] not in known:
                self._remove(str(container["Id"]))

    @contextlib.contextmanager
    def _engine(self, timeout_seconds: float | None = _ANSWER_SECONDS) -> Generator[_Engine]:
        """A connection to the engine, whose own errors become ours but for `NotFound`."""
        engine: _Engine | None = None
        try:
            client = docker.APIClient(base_url=self._host, version="auto", timeout=cast("int", timeout_seconds))
            engine = cast("_Engine", client)
            yield engine
        except docker.errors.NotFound:
            raise
        except _ENGINE_ERRORS as error:
            words = str(getattr(error, "explanation", None) or error)
            raise ToolUnavailable(f"The Docker Engine says: {words}.", "Look at the engine.") from error
        finally:
            if engine is not None:
                engine.close()


def container_options(launch: Launch, mark: str, image: str) -> dict[str, Any]:
    """The container that a replica is, of what the engine knows as `image`; under `host` what concerns this machine."""
    user = launch.image.about.run.User
    return {
        "image": image,
        "entrypoint": list(launch.command) or None,
        "command": [] if launch.command else None,
        "environment": dict(launch.variables),
        "labels": {LABEL: mark, _LOG_LABEL: str(launch.log)},
        "user": _NOBODY if user.partition(":")[0] in _ROOT else user,
        "host": {
            "network_mode": "host",
            "read_only": True,
            "tmpfs": {"/tmp": "mode=1777"},  # noqa: S108 the container's own
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
        },
    }


def _ensure_image(engine: _Engine, image: Image, registry: ImageRegistry) -> str:
    """What the engine knows the image as; loaded where it does not know it yet."""
    tag = f"shopkart/{image.repository}:{image.digest.removeprefix('sha256:')}"
    known = _known_as(engine, image, tag)
    if known is not None:
        return known
    with tempfile.TemporaryDirectory(prefix=".load-", dir=image.rootfs.parent) as staging:
        layout, archive = Path(staging) / "layout", Path(staging) / "image.tar"
        registry.pull(image.repository, image.digest, layout)
        write_docker_archive(layout, read_manifest(layout), tag, archive)
        with archive.open("rb") as stream:
            for message in engine.load_image(stream):
                if "error" in message:
                    raise ToolUnavailable(
                        f"The engine can't load the image: {message['error']}.", "Look at the engine."
                    )
    known = _known_as(engine, image, tag)
    if known is None:
        raise ToolUnavailable(f"The engine loaded {tag} and does not know it.", "Look at the engine.")
    return known


def _known_as(engine: _Engine, image: Image, tag: str) -> str | None:
    for name in (image.about.config_digest, tag):
        with contextlib.suppress(docker.errors.NotFound):
            return str(engine.inspect_image(name)["Id"])
    return None


def write_docker_archive(layout: Path, manifest: Manifest, tag: str, archive: Path) -> None:
    """Write a layout as `docker load` takes it: the configuration and the layers are the same bytes.

    Args:
        tag: without one the engine would take the image for a left-over.
    """
    layers = [f"{layer.digest.removeprefix('sha256:')}.tar" for layer in manifest.layers]
    config = f"{manifest.config.digest.removeprefix('sha256:')}.json"
    index = json.dumps([{"Config": config, "RepoTags": [tag], "Layers": layers}]).encode()
    blobs = {config: manifest.config, **dict(zip(layers, manifest.layers, strict=True))}
    with tarfile.open(archive, "w") as tar:
        for name, blob in blobs.items():
            tar.add(blob_path(layout, blob.digest), arcname=name)
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(index)
        tar.addfile(entry, BytesIO(index))
