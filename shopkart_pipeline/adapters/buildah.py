"""Builds images with buildah, from the service's own Dockerfile and without a daemon.

The Dockerfile is handed what Docker's builder hands it (`docker_engine` says what), and a base image may lie on disk
too (`oci:PATH`, relative to the repository's root). Nothing of the build is left in the image: every file that it
makes carries one constant time, and never the commit's, because a layer that was made for an earlier commit and is
taken from the cache would carry that commit's, and a build without the cache would give another digest. Labels and
the image's own time are put in afterwards.

Each command runs in process and mount namespaces of its own, so that killing it ends all that it started and unmounts
all that it mounted. Inside of them `chroot` isolation suffices, which also works where no container can be started;
the option `network: none` adds a network namespace, and base images are fetched before it is entered. The storage is
the pipeline's own, the registries and their policy are the machine's (`/etc/containers`), credentials are nobody's.
A Dockerfile could name images in any folder of the machine (`FROM oci:/...`, `tarball:`); buildah's own policy keeps
it to registries and to what it was handed.

`auto` never chooses it: that buildah is installed says nothing about where images will run, and its images need a base
image from somewhere. A service that wants it says `tool: buildah`.

Rules: buildah-build(1) `--timestamp`, `--isolation`; containers-transports(5); containers-policy.json(5); unshare(1).
"""

import json
import os
import re
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters import _build_inputs
from shopkart_pipeline.adapters._buildah_storage import BuildahStorage
from shopkart_pipeline.adapters._dockerfile import Sources, sources_of
from shopkart_pipeline.adapters._oci_adopt import adopt
from shopkart_pipeline.adapters._oci_documents import Manifest, parse_manifest
from shopkart_pipeline.adapters._oci_pack import ENTRY_TIME_SECONDS, Deadline, LayerPacker
from shopkart_pipeline.adapters._oci_write import new_layout
from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.adapters._staging import staging
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder, ImageRequest

_NAMESPACES = (
    *("unshare", "--mount", "--propagation", "private"),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
)
_MACHINE_POLICY = Path("/etc/containers/policy.json")
_VERSION = re.compile(r"version (\d[\w.+~-]*)")
_TRUST = ("--authfile", "auth.json", "--signature-policy", "policy.json")
"""No credentials, and images from nowhere but where `_write_policy` says; files of the build's folder."""
_ANSWER_SECONDS = 5.0
_TIDY_SECONDS = 60.0
_REMEMBERED_SECONDS = 30.0


class BuildahBuilder(ImageBuilder):
    """Builds with the machine's buildah.

    Args:
        storage: folder for base images and layers.
        layers: folder for compressed layers; builders may share it.
    """

    name = "buildah"
    runs_code = True
    only_by_name = True

    def __init__(self, storage: Path, layers: Path) -> None:
        self._storage = BuildahStorage(storage)
        self._packer = LayerPacker(layers)
        self._answer: tuple[float, Tool | str] | None = None

    def unavailable(self) -> str | None:
        """One line about why it can't build here; remembered for half a minute."""
        found = self._found()
        return found if isinstance(found, str) else None

    def inputs(self, request: ImageRequest) -> Mapping[str, str] | None:
        found = self._found()
        return None if isinstance(found, str) else _build_inputs.known(request, found.version)

    def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
        """Build the image; the log holds buildah's own words."""
        found, deadline = self._found(), Deadline.after(request.timeout_seconds)
        if isinstance(found, str):
            return EvidenceMissing(found, Tool(self.name, "unknown"))
        request.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            deadline.check()
            with self._storage.in_use(), staging(self._storage.folder / "build") as folder:
                return _Build(request, folder, self._storage, self._packer, deadline, found).run()
        except TimeoutError:
            reason = f"the image was not built within {request.timeout_seconds:g} s"
        except (PipelineError, OSError) as error:
            reason = f"the image can't be built: {error}"
        self._forget_containers()
        with request.log.open("a", encoding="utf-8") as log:
            log.write(f"{reason}\n")
        return EvidenceMissing(reason, found)

    def trim_cache(self, limit_bytes: int) -> int:
        self._forget_containers()
        with self._storage.alone() as alone:
            size_bytes = self._storage.size_bytes() if alone else 0
            if size_bytes <= limit_bytes:
                return 0
            self._storage.clear()
            return size_bytes

    def _found(self) -> Tool | str:
        now = time.monotonic()
        if self._answer is None or now - self._answer[0] > _REMEMBERED_SECONDS:
            self._answer = (now, _look())
        return self._answer[1]

    def _forget_containers(self) -> None:
        """Remove the working containers that killed builds left; not while another build has one."""
        with self._storage.alone() as alone:
            if alone and self._storage.root.exists():
                with staging(self._storage.folder / "tidy") as folder:
                    words = (*_NAMESPACES, "buildah", *_places(self._storage, folder), "rm", "--all")
                    run(Command(words, folder, _TIDY_SECONDS, privileged=True))


class _Build:
    """One build, in a folder of its own."""

    def __init__(
        self,
        request: ImageRequest,
        folder: Path,
        storage: BuildahStorage,
        packer: LayerPacker,
        deadline: Deadline,
        tool: Tool,
    ) -> None:
        self._request, self._folder, self._storage, self._tool = request, folder, storage, tool
        self._packer, self._deadline = packer.for_build(fresh=request.fresh), deadline

    def run(self) -> BuiltImage:
        request = self._request
        dockerfile = _build_inputs.dockerfile(request)
        given = _build_inputs.layout_inputs(request, dockerfile, self._folder, self._packer, self._deadline)
        for each in given:
            # Names are relative to the folder, so that no path of this machine gets into the image's history.
            (self._folder / each.name).symlink_to(each.layout)
        handed_over = {each.argument: f"{_build_inputs.LAYOUT_PREFIX}{each.name}" for each in given}
        arguments = {**_build_inputs.registry_base(request), **handed_over}
        sources = sources_of(dockerfile.read_text(encoding="utf-8"), arguments)
        self._write_policy(given)
        self._buildah(self._words(dockerfile, arguments), network=self._network(sources))
        image = (self._folder / "id").read_text(encoding="utf-8").strip()
        push = ("push", "--quiet", "--format", "oci", "--disable-compression", image, "dir:image")
        self._buildah(push, network=False)
        manifest = self._export()
        with request.log.open("a", encoding="utf-8") as log:
            log.write(f"image {manifest.digest} {manifest.total_bytes} bytes\n")
        loose = sources.unpinned(handed_over.values())
        doubt = f"named without a digest: {', '.join(loose)}" if loose else ""
        return BuiltImage(request.layout, manifest.digest, manifest.total_bytes, not loose, self._tool, doubt)

    def _network(self, sources: Sources) -> bool:
        """Whether commands of the Dockerfile have one. Where not, images are fetched while there still is one."""
        if _build_inputs.network(self._request, "host") == "host":
            return True
        for image in sources.images:
            if not image.startswith(_build_inputs.LAYOUT_PREFIX):
                self._buildah(("pull", "--quiet", "--policy", "missing", *_TRUST, image), network=True)
        return False

    def _words(self, dockerfile: Path, arguments: dict[str, str]) -> tuple[str, ...]:
        pairs = (f"{name}={value}" for name, value in sorted(arguments.items()))
        return (
            *("bud", "--isolation", "chroot", "--network", "host", "--format", "oci", "--layers"),
            *("--timestamp", str(ENTRY_TIME_SECONDS), "--identity-label=false", "--iidfile", "id"),
            *(("--no-cache",) if self._request.fresh else ()),
            *_TRUST,
            # Later versions raise limits that they may not raise, and stop.
            *_limit("nofile", resource.RLIMIT_NOFILE),
            *_limit("nproc", resource.RLIMIT_NPROC),
            *(word for pair in pairs for word in ("--build-arg", pair)),
            *("--file", str(dockerfile), str(self._request.tree)),
        )

    def _write_policy(self, given: Sequence[_build_inputs.LayoutInput]) -> None:
        """Images come from registries, as far as the machine's policy goes, and from what is handed over."""
        (self._folder / "auth.json").write_text("{}", encoding="utf-8")
        anything = [{"type": "insecureAcceptAnything"}]
        machine: dict[str, Any] = {"default": anything}
        if _MACHINE_POLICY.exists():
            machine = json.loads(_MACHINE_POLICY.read_text(encoding="utf-8"))
        policy = {
            "default": [{"type": "reject"}],
            "transports": {
                "docker": {"": machine["default"], **machine.get("transports", {}).get("docker", {})},
                "oci": {str(each.layout.resolve()): anything for each in given},
                # What buildah itself has made or fetched.
                "containers-storage": {"": anything},
            },
        }
        (self._folder / "policy.json").write_text(json.dumps(policy), encoding="utf-8")

    def _buildah(self, words: Sequence[str], *, network: bool) -> Completed:
        self._deadline.check()
        namespaces = (*_NAMESPACES, *(() if network else ("--net",)))
        command = Command(
            arguments=(*namespaces, "buildah", *_places(self._storage, self._folder), *words),
            cwd=self._folder,
            timeout_seconds=self._deadline.left_seconds,
            # Also where buildah keeps cache mounts: what one build leaves there must not change another.
            variables={"TMPDIR": str(self._folder)},
            network=network,
            log=self._request.log,
            privileged=True,
        )
        done = run(command)
        if done.timed_out:
            raise TimeoutError
        failure = done.failure(f"buildah {words[0]}", last_lines=3)
        if failure is not None:
            raise PipelineError(f"{failure}.", "Read the log, and build the Dockerfile by hand.")
        return done

    def _export(self) -> Manifest:
        image = self._folder / "image"
        found = parse_manifest((image / "manifest.json").read_bytes(), "buildah's manifest")
        with new_layout(self._request.layout) as layout:
            # The transport `dir` names blobs by their digest alone.
            return adopt(
                found,
                lambda digest: image / digest.removeprefix("sha256:"),
                layout,
                self._request,
                self._packer,
                self._deadline,
            )


def _look() -> Tool | str:
    program = find_executable("buildah")
    if program is None:
        return "buildah is not installed"
    if os.geteuid() != 0:
        return "buildah is installed, but only root can give it namespaces of its own here"
    done = run(Command((*_NAMESPACES, program, "--version"), Path("/"), _ANSWER_SECONDS, capture=True, privileged=True))
    version = _VERSION.search(done.stdout.decode(errors="replace"))
    failure = done.failure("buildah --version in namespaces of its own")
    return failure or (Tool(BuildahBuilder.name, version.group(1)) if version else "buildah does not tell its version")


def _places(storage: BuildahStorage, folder: Path) -> tuple[str, ...]:
    """Where buildah may write; what it would mount into builds by itself on some systems is left out."""
    return ("--root", str(storage.root), "--runroot", str(folder / "run"), "--default-mounts-file", os.devnull)


def _limit(name: str, number: int) -> tuple[str, str]:
    hard = resource.getrlimit(number)[1]
    return "--ulimit", f"{name}={hard}:{hard}"
