"""Builds images with a Docker Engine, from the service's own Dockerfile.

The Dockerfile stays in charge: its context is the root of the repository (`.dockerignore` counts), its place is
`Dockerfile` in the service's folder unless the image stage's option `dockerfile` says otherwise, and what it makes is
what is released. Two build arguments offer what the pipeline has; a Dockerfile takes them by declaring them:

- `BASE_IMAGE`: the declaration's `base_image`;
- `APPLICATION`: an image that holds, under `/app`, the very application that was built and scanned before. With
  `ARG APPLICATION=build` at the top, `FROM ${APPLICATION} AS application` and `COPY --from=application /app /app`,
  a build by hand uses the Dockerfile's stage `build`, and the pipeline's build neither installs anything again nor
  needs a package index. The base image must have the interpreter's version that the application was built for.

The image is saved and turned into an OCI layout whose configuration is the engine's byte for byte, so that registry
and cluster work by the digest of the manifest. It must start what the declaration says. Engines put the time of the
build into images, so none is called reproducible. Builds see no credentials, of registries either.
"""

import re
import secrets
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import docker
import docker.errors
import requests
import urllib3.exceptions

from shopkart_pipeline.adapters import _docker_build
from shopkart_pipeline.adapters._docker_archive import convert
from shopkart_pipeline.adapters._docker_build import Engine, Plan
from shopkart_pipeline.adapters._oci import read_config
from shopkart_pipeline.adapters._oci_documents import Manifest
from shopkart_pipeline.adapters._oci_pack import Deadline, LayerPacker, write_archive
from shopkart_pipeline.adapters._oci_write import labels_of, new_layout
from shopkart_pipeline.adapters._process import find_executable
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder, ImageRequest

DEFAULT_HOST = "unix:///var/run/docker.sock"
_UNIX = "unix://"
_ANSWER_SECONDS = 0.8
_REMEMBERED_SECONDS = 30.0
_APPLICATION_ARGUMENT = re.compile(r"^\s*ARG\s+APPLICATION\b", re.IGNORECASE | re.MULTILINE)
_ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class DockerEngineBuilder(ImageBuilder):
    """Builds with the engine at `host`.

    Args:
        cache: folder for compressed layers; builders may share it.
        host: the engine's address, as `DOCKER_HOST` spells it.
        buildkit: use BuildKit where a command line can speak it; False always takes the classic API.
    """

    name = "docker"

    def __init__(self, cache: Path, host: str = DEFAULT_HOST, *, buildkit: bool = True) -> None:
        self._packer = LayerPacker(cache)
        self._host = host
        self._program = _docker_build.find_buildkit if buildkit else lambda: None
        self._answer: tuple[float, str | None] | None = None

    def unavailable(self) -> str | None:
        """One line about why there is no engine; asked within a second, and remembered for half a minute."""
        now = time.monotonic()
        if self._answer is None or now - self._answer[0] > _REMEMBERED_SECONDS:
            self._answer = (now, self._look())
        return self._answer[1]

    def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
        """Build the image; the log holds the engine's own words."""
        tool, deadline = Tool(self.name, "unknown"), Deadline.after(request.timeout_seconds)
        request.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            deadline.check()
            engine = _connect(self._host, deadline.left_seconds)
            try:
                tool = Tool(self.name, str(engine.version()["Version"]))
                return self._build(engine, request, deadline, tool)
            finally:
                engine.close()
        except (PipelineError, *_ENGINE_ERRORS) as error:
            reason = f"the image can't be built: {_words(error)}"
        if deadline.left_seconds == 0.0:
            reason = f"the image was not built within {request.timeout_seconds:g} s"
        _note(request.log, reason)
        return EvidenceMissing(reason, tool)

    def _look(self) -> str | None:
        try:
            _connect(self._host, _ANSWER_SECONDS).close()
        except _ENGINE_ERRORS:
            installed = find_executable("docker") is not None
            having = "the docker client is installed, but" if installed else "docker is not installed, and"
            return f"{having} no engine is reachable at {self._host}"
        return None

    def _build(self, engine: Engine, request: ImageRequest, deadline: Deadline, tool: Tool) -> BuiltImage:
        tag = f"shopkart-build/{request.service.name}:{secrets.token_hex(8)}"
        plan = self._plan(engine, request, tag, deadline)
        try:
            program = self._program()
            if program is None:
                _docker_build.build_with_engine(engine, plan, deadline)
            else:
                _docker_build.build_with_buildkit(program, plan, deadline)
            manifest = self._export(engine, request, tag, deadline)
        finally:
            for used in (tag, plan.arguments.get("APPLICATION")):
                _forget(engine, used)
        _note(request.log, f"image {manifest.digest} {manifest.total_bytes} bytes")
        return BuiltImage(request.layout, manifest.digest, manifest.total_bytes, reproducible=False, tool=tool)

    def _plan(self, engine: Engine, request: ImageRequest, tag: str, deadline: Deadline) -> Plan:
        dockerfile, network = _dockerfile(request), _network(engine)
        base = request.service.workload.base_image
        if base is not None and base.startswith("oci:"):
            fix = "Name an image such as python:3.11-slim, or choose the tool oci_layout for the image stage."
            raise PipelineError(f"The base image {base} is a layout on disk, which no engine takes.", fix)
        arguments = {} if base is None else {"BASE_IMAGE": base}
        if _APPLICATION_ARGUMENT.search(dockerfile.read_text(encoding="utf-8")):
            arguments["APPLICATION"] = _import_application(engine, request, f"{tag}-application", deadline)
        return Plan(
            host=self._host,
            context=request.tree,
            dockerfile=dockerfile,
            tag=tag,
            labels=labels_of(request),
            arguments=arguments,
            network=network,
            log=request.log,
        )

    def _export(self, engine: Engine, request: ImageRequest, tag: str, deadline: Deadline) -> Manifest:
        with tempfile.NamedTemporaryFile(dir=_made(request.layout.parent)) as archive:
            for piece in engine.get_image(tag):
                deadline.check()
                archive.write(piece)
            archive.flush()
            with new_layout(request.layout) as layout:
                name = request.service.name
                manifest = convert(Path(archive.name), layout, name, self._packer, deadline)
                starts = read_config(layout, manifest).config.command
                declared = request.service.workload.command
                # A Dockerfile may put a starter such as `tini --` before the command.
                if starts[-len(declared) :] != declared:
                    what = f"The image starts {' '.join(starts) or 'nothing'}; the declaration {' '.join(declared)}."
                    raise PipelineError(what, "Make ENTRYPOINT and the declared command the same.")
        return manifest


def _words(error: Exception) -> str:
    """What the engine says, without the address of the request that it says it about."""
    return str(getattr(error, "explanation", None) or error)


def _connect(host: str, timeout_seconds: float) -> Engine:
    if host.startswith(_UNIX):
        # The client leaves a socket open where nobody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout_seconds)
            probe.connect(host.removeprefix(_UNIX))
    # Typed as whole seconds, and passed on to `requests`, which takes fractions.
    return cast("Engine", docker.APIClient(base_url=host, version="auto", timeout=cast("int", timeout_seconds)))


def _dockerfile(request: ImageRequest) -> Path:
    stage = next((stage for stage in request.service.stages if stage.kind is StageKind.IMAGE), None)
    options: Mapping[str, str] = stage.options if stage is not None else {}
    name = options.get("dockerfile", f"{request.service.source.path}/Dockerfile")
    path = (request.tree / name).resolve()
    if not path.is_relative_to(request.tree.resolve()) or not path.is_file():
        raise ToolUnavailable(f"The repository has no {name}.", "Add it, or name it in the image stage's options.")
    return request.tree / path.relative_to(request.tree.resolve())


def _import_application(engine: Engine, request: ImageRequest, name: str, deadline: Deadline) -> str:
    names = [path.name for path in request.application.iterdir()]
    repository, _, tag = name.partition(":")
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        write_archive(archive, request.application, names, "app", deadline)
        engine.import_image(archive.name, repository, tag)
    return name


def _network(engine: Engine) -> str:
    """The engine's own bridge for commands of the Dockerfile, or the host's network where it has none."""
    names = {network["Name"] for network in engine.networks()}
    return "default" if "bridge" in names else "host"


def _forget(engine: Engine, tag: str | None) -> None:
    """Take a tag of ours away, and keep the layers that later builds will need."""
    if tag is None:
        return
    try:
        engine.remove_image(tag, noprune=True)
    except _ENGINE_ERRORS:
        # The build ended before there was an image.
        return


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _note(log: Path, line: str) -> None:
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
