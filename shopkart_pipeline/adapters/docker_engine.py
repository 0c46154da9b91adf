"""Builds images with a Docker Engine, from the service's own Dockerfile.

The Dockerfile stays in charge: its context is the root of the repository (`.dockerignore` counts), its place is
`Dockerfile` in the service's folder unless the image stage's option `dockerfile` says otherwise, and what it makes is
what is released. Two build arguments offer what the pipeline has; a Dockerfile takes them by declaring them:

- `BASE_IMAGE`: the declaration's `base_image`;
- `APPLICATION`: an image that holds, under `/app`, the very application that was built and scanned before. With
  `ARG APPLICATION=build` at the top, `FROM ${APPLICATION} AS application` and `COPY --from=application /app /app`,
  a build by hand uses the Dockerfile's stage `build`, and the pipeline's build neither installs anything again nor
  needs a package index. The base image must have the interpreter's version that the application was built for.

Where BuildKit can keep the time of the build out of an image it does, see `_buildkit`; such an image is called
reproducible if all that its Dockerfile names is named by digest. Otherwise the image is saved and turned into an OCI
layout whose configuration is the engine's byte for byte; it tells when it was built, and the evidence says so. Either
way it must start what the declaration says. Builds see no credentials, of registries either. The option `network` of
the image stage says `none` where commands of the Dockerfile shall have no network.
"""

import secrets
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters import _build_inputs, _buildkit, _docker_build
from shopkart_pipeline.adapters._buildkit import OWN_BUILDER, Builder
from shopkart_pipeline.adapters._confinement import private_folder
from shopkart_pipeline.adapters._docker_archive import convert
from shopkart_pipeline.adapters._docker_build import Plan
from shopkart_pipeline.adapters._docker_connection import (
    ENGINE_ERRORS,
    Engine,
    connect,
    forget,
    network_of,
    words_of,
)
from shopkart_pipeline.adapters._dockerfile import asks_for, sources_of
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters._oci_adopt import adopt, check_command
from shopkart_pipeline.adapters._oci_documents import Manifest, blob_path
from shopkart_pipeline.adapters._oci_pack import Deadline, LayerPacker, write_archive
from shopkart_pipeline.adapters._oci_write import labels_of, new_layout
from shopkart_pipeline.adapters._process import find_executable
from shopkart_pipeline.adapters._staging import staging
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder, ImageRequest

DEFAULT_HOST = "unix:///var/run/docker.sock"
_ANSWER_SECONDS = 0.8
_PRUNE_SECONDS = 60.0
_REMEMBERED_SECONDS = 30.0
_TELLS_TIME = "the image tells when it was built"


@dataclass(frozen=True)
class _Way:
    """How this machine's engine is asked to build."""

    program: str | None
    """A command line that speaks BuildKit."""
    doubt: str | None
    """Why an image would tell when it was built."""


class DockerEngineBuilder(ImageBuilder):
    """Builds with the engine at `host`.

    Args:
        cache: folder for compressed layers; builders may share it.
        host: the engine's address, as `DOCKER_HOST` spells it.
        buildkit: use BuildKit where a command line can speak it; False always takes the classic API.
        builder: which of buildx's builders, where buildx is used.
    """

    name = "docker"
    runs_code = True

    def __init__(
        self,
        cache: Path,
        host: str = DEFAULT_HOST,
        *,
        buildkit: bool = True,
        builder: Builder = OWN_BUILDER,
    ) -> None:
        self._packer = LayerPacker(cache)
        self._host = host
        self._program = _docker_build.find_buildkit if buildkit else lambda: None
        self._builder = builder
        self._answer: tuple[float, str | None] | None = None
        self._way: tuple[float, _Way] | None = None

    def unavailable(self) -> str | None:
        """One line about why there is no engine; asked within a second, and remembered for half a minute."""
        now = time.monotonic()
        if self._answer is None or now - self._answer[0] > _REMEMBERED_SECONDS:
            self._answer = (now, self._look())
        return self._answer[1]

    def inputs(self, request: ImageRequest) -> Mapping[str, str] | None:
        try:
            engine = connect(self._host, _ANSWER_SECONDS)
            try:
                return _build_inputs.known(request, str(engine.version()["Version"]))
            finally:
                engine.close()
        except ENGINE_ERRORS:
            return None

    def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
        """Build the image; the log holds the engine's own words."""
        tool, deadline = Tool(self.name, "unknown"), Deadline.after(request.timeout_seconds)
        request.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            deadline.check()
            engine = connect(self._host, deadline.left_seconds)
            try:
                tool = Tool(self.name, str(engine.version()["Version"]))
                return self._build(engine, request, deadline, tool)
            finally:
                engine.close()
        except (PipelineError, *ENGINE_ERRORS) as error:
            reason = f"the image can't be built: {words_of(error)}"
        if deadline.left_seconds == 0.0:
            reason = f"the image was not built within {request.timeout_seconds:g} s"
        _note(request.log, reason)
        return EvidenceMissing(reason, tool)

    def trim_cache(self, limit_bytes: int) -> int:
        """Have the engine drop build cache, the longest unused first; images of anybody are not touched. What a
        builder beside the engine keeps is bounded by its own rules (`buildx create --buildkitd-config`)."""
        try:
            engine = connect(self._host, _PRUNE_SECONDS)
            try:
                return int(engine.prune_builds(keep_storage=limit_bytes).get("SpaceReclaimed") or 0)
            finally:
                engine.close()
        except ENGINE_ERRORS:
            return 0

    def _look(self) -> str | None:
        try:
            connect(self._host, _ANSWER_SECONDS).close()
        except ENGINE_ERRORS:
            installed = find_executable("docker") is not None
            having = "the docker client is installed, but" if installed else "docker is not installed, and"
            return f"{having} no engine is reachable at {self._host}"
        return None

    def _build(self, engine: Engine, request: ImageRequest, deadline: Deadline, tool: Tool) -> BuiltImage:
        way, dockerfile = self._find_way(engine), _build_inputs.dockerfile(request)
        packer = self._packer.for_build(fresh=request.fresh)
        if way.program is not None and way.doubt is None:
            manifest, doubt = self._rewritten(engine, request, dockerfile, way.program, packer, deadline)
        else:
            manifest, doubt = self._as_engine_makes_it(engine, request, dockerfile, way.program, packer, deadline)
            doubt = f"{doubt}: {way.doubt}"
        _note(request.log, f"image {manifest.digest} {manifest.total_bytes} bytes")
        return BuiltImage(request.layout, manifest.digest, manifest.total_bytes, not doubt, tool, doubt)

    def _find_way(self, engine: Engine) -> _Way:
        now = time.monotonic()
        if self._way is None or now - self._way[0] > _REMEMBERED_SECONDS:
            program = self._program()
            with tempfile.TemporaryDirectory(prefix="docker-", dir=private_folder()) as home:
                doubt = _buildkit.why_not_rewriting(engine, program, self._host, self._builder, Path(home))
            self._way = (now, _Way(program, doubt))
        return self._way[1]

    def _rewritten(
        self,
        engine: Engine,
        request: ImageRequest,
        dockerfile: Path,
        program: str,
        packer: LayerPacker,
        deadline: Deadline,
    ) -> tuple[Manifest, str]:
        with staging(request.layout.with_name(f"{request.layout.name}-build")) as folder:
            given = _build_inputs.layout_inputs(request, dockerfile, folder, packer, deadline)
            plan = self._plan(engine, request, dockerfile, "", _build_inputs.registry_base(request))
            image = _buildkit.build_rewritten(program, self._builder, plan, given, folder, deadline)
            with new_layout(request.layout) as layout:
                found = read_manifest(image)
                manifest = adopt(found, lambda digest: blob_path(image, digest), layout, request, packer, deadline)
        arguments = {**plan.arguments, **{each.argument: each.name for each in given}}
        sources = sources_of(dockerfile.read_text(encoding="utf-8"), arguments)
        loose = sources.unpinned([each.name for each in given])
        return manifest, f"named without a digest: {', '.join(loose)}" if loose else ""

    def _as_engine_makes_it(
        self,
        engine: Engine,
        request: ImageRequest,
        dockerfile: Path,
        program: str | None,
        packer: LayerPacker,
        deadline: Deadline,
    ) -> tuple[Manifest, str]:
        tag = f"shopkart-build/{request.service.name}:{secrets.token_hex(8)}"
        base = request.service.workload.base_image
        if base is not None and base.startswith(_build_inputs.LAYOUT_PREFIX):
            fix = "Name an image such as python:3.11-slim, or choose another tool for the image stage."
            raise PipelineError(f"The base image {base} is a layout on disk, which this engine does not take.", fix)
        application, arguments = f"{tag}-application", _build_inputs.registry_base(request)
        if asks_for(dockerfile.read_text(encoding="utf-8"), _build_inputs.APPLICATION_ARGUMENT):
            arguments[_build_inputs.APPLICATION_ARGUMENT] = application
        plan = self._plan(engine, request, dockerfile, tag, arguments)
        try:
            if _build_inputs.APPLICATION_ARGUMENT in arguments:
                _import_application(engine, request, application, deadline)
            if program is None:
                _docker_build.build_with_engine(engine, plan, deadline)
            else:
                _docker_build.build_with_buildkit(program, plan, deadline)
            return _export(engine, request, tag, packer, deadline), _TELLS_TIME
        finally:
            for used in (tag, arguments.get(_build_inputs.APPLICATION_ARGUMENT)):
                forget(engine, used)

    def _plan(
        self, engine: Engine, request: ImageRequest, dockerfile: Path, tag: str, arguments: dict[str, str]
    ) -> Plan:
        own = network_of(engine) if self._builder == OWN_BUILDER else "default"
        return Plan(
            host=self._host,
            context=request.tree,
            dockerfile=dockerfile,
            tag=tag,
            labels=labels_of(request),
            arguments=arguments,
            network=_build_inputs.network(request, own),
            log=request.log,
            fresh=request.fresh,
        )


def _export(engine: Engine, request: ImageRequest, tag: str, packer: LayerPacker, deadline: Deadline) -> Manifest:
    request.layout.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=request.layout.parent) as archive:
        for piece in engine.get_image(tag):
            deadline.check()
            archive.write(piece)
        archive.flush()
        with new_layout(request.layout) as layout:
            manifest = convert(Path(archive.name), layout, request.service.name, packer, deadline)
            check_command(layout, manifest, request)
    return manifest


def _import_application(engine: Engine, request: ImageRequest, name: str, deadline: Deadline) -> None:
    names = [path.name for path in request.application.iterdir()]
    repository, _, tag = name.partition(":")
    with (
        tempfile.TemporaryDirectory(prefix="docker-", dir=private_folder()) as folder,
        open(f"{folder}/application.tar", "wb") as archive,
    ):
        write_archive(archive, request.application, names, "app", deadline)
        engine.import_image(archive.name, repository, tag)


def _note(log: Path, line: str) -> None:
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
