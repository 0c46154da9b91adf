"""Builds images without a daemon: the application's folder becomes a genuine OCI image layout.

Equal requests give equal digests. `/app/deps` is the lowest layer, because it changes least, and `/app/app` the
topmost; whatever else the application holds lies between. The configuration starts the declared command as a user
without rights. A base image is stacked below where the declaration names a layout (`oci:PATH`, relative to the
repository's root); a base image that only an engine could fetch is left out, and the log says so: such an image
holds the application alone and runs where its interpreter is given from outside, as the local cluster does.

Rules: OCI image-spec 1.1, `config.md`, `manifest.md`, `annotations.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._oci import read_config, read_manifest, verify_blob
from shopkart_pipeline.adapters._oci_documents import ConfigDocument, Descriptor, RunDocument, blob_path
from shopkart_pipeline.adapters._oci_pack import Deadline, Layer, LayerPacker
from shopkart_pipeline.adapters._oci_write import (
    add_image,
    architecture,
    document,
    labels_of,
    link_or_copy,
    new_layout,
    rfc3339,
)
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder, ImageRequest

LAYOUT_PREFIX = "oci:"
USER = "65532:65532"
"""The user and group that images without a root user have agreed on (`nonroot`)."""
_TOOL = Tool("oci_layout", "1")
"""The version counts how the builder packs; it changes whenever equal requests would give another digest."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLES = {"PYTHONPATH": "/app/app:/app/deps", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class _Base:
    """What an image is stacked on."""

    config: ConfigDocument
    layers: tuple[Descriptor, ...] = ()


class OciLayoutBuilder(ImageBuilder):
    """The embedded default.

    Args:
        cache: folder for compressed layers; builders may share it.
    """

    name = "oci_layout"

    def __init__(self, cache: Path) -> None:
        self._packer = LayerPacker(cache)

    def unavailable(self) -> str | None:
        """None: it needs nothing."""
        return None

    def inputs(self, request: ImageRequest) -> Mapping[str, str] | None:
        name = request.service.workload.base_image or ""
        base = request.tree / name.removeprefix(LAYOUT_PREFIX) if name.startswith(LAYOUT_PREFIX) else None
        return {"version": _TOOL.version, "base_image": read_manifest(base).digest if base is not None else "none"}

    def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
        """Build the image; the log names its layers, or the reason why there is none."""
        log: list[str] = []
        try:
            return self._build(request, Deadline.after(request.timeout_seconds), log)
        except TimeoutError:
            log.append(f"the image was not built within {request.timeout_seconds:g} s")
        except (PipelineError, OSError) as error:
            log.append(f"the image can't be built: {error}")
        finally:
            _write_log(request.log, log)
        return EvidenceMissing(log[-1], _TOOL)

    def _build(self, request: ImageRequest, deadline: Deadline, log: list[str]) -> BuiltImage:
        with new_layout(request.layout) as layout:
            base, packer = _stack_base(request, layout, log), self._packer.for_build(fresh=request.fresh)
            layers: list[Layer] = []
            history: list[str] = []
            for names in _parts(request.application):
                layer = packer.pack(request.application, names, "app", layout, deadline)
                title = " ".join(f"/app/{name}" for name in names)
                how = "reused" if layer.reused else "compressed"
                log.append(f"layer {title} {layer.blob.digest} {layer.blob.size_bytes} bytes, {how}")
                history.append(f"{_TOOL.name} {title}")
                layers.append(layer)
            config = document(_config(request, base, layers, history))
            blobs = (*base.layers, *(layer.blob for layer in layers))
            manifest = add_image(layout, config, blobs, request.service.name)
        log.append(f"image {manifest.digest} {manifest.total_bytes} bytes")
        return BuiltImage(request.layout, manifest.digest, manifest.total_bytes, reproducible=True, tool=_TOOL)


def _parts(application: Path) -> tuple[tuple[str, ...], ...]:
    """The names in an application by layer, the most stable layer first."""
    names = tuple(sorted(path.name for path in application.iterdir()))
    between = tuple(name for name in names if name not in ("deps", "app"))
    groups = tuple(name for name in names if name == "deps"), between, tuple(name for name in names if name == "app")
    parts = tuple(group for group in groups if group)
    if not parts:
        raise PipelineError(f"The application {application} is empty.", "Build the application first.")
    return parts


def _stack_base(request: ImageRequest, layout: Path, log: list[str]) -> _Base:
    name = request.service.workload.base_image
    machine = architecture()
    scratch = _Base(ConfigDocument.model_validate({"architecture": machine, "os": "linux", "rootfs": {"diff_ids": []}}))
    if name is None:
        return scratch
    if not name.startswith(LAYOUT_PREFIX):
        log.append(f"base image {name} needs an engine: this image holds the application alone")
        return scratch
    base = request.tree / name.removeprefix(LAYOUT_PREFIX)
    manifest = read_manifest(base)
    config = read_config(base, manifest)
    for layer in manifest.layers:
        verify_blob(base, layer)
        link_or_copy(blob_path(base, layer.digest), blob_path(layout, layer.digest))
    log.append(f"base image {name} {manifest.digest}")
    return _Base(config, manifest.layers)


def _config(request: ImageRequest, base: _Base, layers: Sequence[Layer], history: Sequence[str]) -> dict[str, object]:
    workload, created = request.service.workload, rfc3339(request.created_at)
    return {
        "created": created,
        "architecture": base.config.architecture,
        "os": base.config.os,
        "config": {
            "User": USER,
            "WorkingDir": "/app",
            "Env": _variables(base.config.config),
            "Entrypoint": list(workload.command),
            "ExposedPorts": {f"{workload.port}/tcp": {}},
            "StopSignal": "SIGTERM",
            "Labels": {**(base.config.config.Labels or {}), **labels_of(request)},
        },
        "rootfs": {"type": "layers", "diff_ids": [*base.config.rootfs.diff_ids, *(layer.diff_id for layer in layers)]},
        "history": [*(base.config.history or ()), *({"created": created, "created_by": line} for line in history)],
    }


def _variables(base: RunDocument) -> list[str]:
    given = {name: value for name, _, value in (line.partition("=") for line in base.Env or ())}
    return [f"{name}={value}" for name, value in sorted({"PATH": _PATH, **given, **_VARIABLES}.items())]


def _write_log(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in lines)
