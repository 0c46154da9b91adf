"""What every builder of Dockerfiles is handed: the Dockerfile, its context, the application and the base image.

The Dockerfile stays inside of the repository; the context, without what `.dockerignore` leaves out, has a largest
size, so that a build that was fed by mistake with data ends with a reason instead of a full disk. The application
becomes an image of one layer, and a base image on disk is read in place. Both are named by their content: equal
content has one name in every folder, and two builds at a time can't take each other's.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from docker.utils.build import exclude_paths

from shopkart_pipeline.adapters._dockerfile import asks_for, sources_of
from shopkart_pipeline.adapters._oci import read_manifest, verify_blob
from shopkart_pipeline.adapters._oci_documents import Manifest
from shopkart_pipeline.adapters._oci_pack import Deadline, LayerPacker
from shopkart_pipeline.adapters._oci_write import add_image, architecture, document, new_layout
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.builder import ImageRequest

BASE_ARGUMENT = "BASE_IMAGE"
APPLICATION_ARGUMENT = "APPLICATION"
LAYOUT_PREFIX = "oci:"
CONTEXT_LIMIT_BYTES = 2 << 30
"""Largest context. Trees of real repositories stay far below; data sets and images that were committed do not."""


@dataclass(frozen=True)
class LayoutInput:
    """An image on disk that a build takes in."""

    argument: str
    """The build argument that names it."""
    name: str
    """What it is called; says its content's digest."""
    layout: Path


def option(request: ImageRequest, name: str, default: str) -> str:
    """An option of the service's image stage."""
    stage = next((stage for stage in request.service.stages if stage.kind is StageKind.IMAGE), None)
    return stage.options.get(name, default) if stage is not None else default


def network(request: ImageRequest, default: str) -> str:
    """The network of a Dockerfile's commands: the option `network` says `none` or `default`."""
    wanted = option(request, "network", "default")
    if wanted not in ("none", "default"):
        raise PipelineError(f"The image stage's option network is {wanted!r}.", "Use `none` or `default`.")
    return default if wanted == "default" else wanted


def dockerfile(request: ImageRequest) -> Path:
    """The service's Dockerfile; raises `ToolUnavailable` where there is none in the repository, and `PipelineError`
    where its context is too large to be meant."""
    name = option(request, "dockerfile", f"{request.service.source.path}/Dockerfile")
    tree = request.tree.resolve()
    path = (tree / name).resolve()
    if not path.is_relative_to(tree) or not path.is_file():
        raise ToolUnavailable(f"The repository has no {name}.", "Add it, or name it in the image stage's options.")
    _check_context(tree, path)
    return request.tree / path.relative_to(tree)


def layout_inputs(
    request: ImageRequest, dockerfile: Path, folder: Path, packer: LayerPacker, deadline: Deadline
) -> tuple[LayoutInput, ...]:
    """The images on disk that a build takes in; the application's is written below `folder`."""
    inputs: list[LayoutInput] = []
    layout = _base_layout(request)
    if layout is not None:
        manifest = read_manifest(layout)
        for layer in manifest.layers:
            verify_blob(layout, layer)
        inputs.append(LayoutInput(BASE_ARGUMENT, _name("base", manifest), layout))
    if asks_for(dockerfile.read_text(encoding="utf-8"), APPLICATION_ARGUMENT):
        layout = folder / "application"
        manifest = _pack_application(request, layout, packer, deadline)
        inputs.append(LayoutInput(APPLICATION_ARGUMENT, _name("application", manifest), layout))
    return tuple(inputs)


def known(request: ImageRequest, version: str) -> dict[str, str] | None:
    """What an image depends on beside files of the repository; None where the Dockerfile takes something in that it
    does not name by its content."""
    handed_over = {APPLICATION_ARGUMENT: "the application"}
    try:
        layout = _base_layout(request)
        base = "none" if layout is None else read_manifest(layout).digest
        text = dockerfile(request).read_text(encoding="utf-8")
    except PipelineError:
        return None
    if layout is not None:
        handed_over[BASE_ARGUMENT] = "the base image"
    sources = sources_of(text, {**registry_base(request), **handed_over})
    return None if sources.unpinned(handed_over.values()) else {"version": version, "base": base}


def registry_base(request: ImageRequest) -> dict[str, str]:
    """The build argument that names a base image which is not on disk; empty where there is none."""
    base = request.service.workload.base_image
    return {} if base is None or base.startswith(LAYOUT_PREFIX) else {BASE_ARGUMENT: base}


def _base_layout(request: ImageRequest) -> Path | None:
    """Where the base image lies in the repository; None where it is not on disk."""
    base = request.service.workload.base_image
    if base is None or not base.startswith(LAYOUT_PREFIX):
        return None
    layout = (request.tree / base.removeprefix(LAYOUT_PREFIX)).resolve()
    if not layout.is_relative_to(request.tree.resolve()):
        raise UntrustedInput(f"The base image {base} leads out of the repository.", "Keep it in the repository.")
    return layout


def _name(what: str, manifest: Manifest) -> str:
    # The configuration names the layers' contents; the manifest would say how they are compressed too.
    return f"shopkart-{what}-{manifest.config.digest.removeprefix('sha256:')[:24]}"


def _pack_application(request: ImageRequest, layout: Path, packer: LayerPacker, deadline: Deadline) -> Manifest:
    names = [path.name for path in request.application.iterdir()]
    with new_layout(layout) as filled:
        layer = packer.pack(request.application, names, "app", filled, deadline)
        config = {
            "architecture": architecture(),
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": [{"created_by": "the application"}],
        }
        return add_image(filled, document(config), [layer.blob], "application")


def _check_context(tree: Path, path: Path) -> None:
    own = path.with_name(f"{path.name}.dockerignore")
    ignore = own if own.is_file() else tree / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    relative = path.relative_to(tree).as_posix()
    names = exclude_paths(str(tree), patterns, dockerfile=relative)
    size_bytes = sum(_size_bytes(tree / name) for name in names)
    if size_bytes > CONTEXT_LIMIT_BYTES:
        what = f"The build's context has {size_bytes / 1e9:.1f} GB; the limit is {CONTEXT_LIMIT_BYTES / 1e9:.1f} GB."
        raise PipelineError(what, "List what no image needs in .dockerignore.")


def _size_bytes(path: Path) -> int:
    status = os.lstat(path)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
