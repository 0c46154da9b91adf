"""Makes an image that another tool wrote one of ours: same files, our compression, the commit's time and labels.

Builders that give every file one time give the image that time too; here it becomes the commit's. Labels are put in
here as well, so that a commit's name is not a step of the build that would spoil its cache. Each layer is compared
with the digest that the configuration names.
"""

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from shopkart_pipeline.adapters._oci import read_config
from shopkart_pipeline.adapters._oci_documents import DOCUMENT_LIMIT_BYTES, ConfigDocument, Manifest, parse
from shopkart_pipeline.adapters._oci_pack import Deadline, Layer, LayerPacker
from shopkart_pipeline.adapters._oci_write import add_image, document, labels_of, rfc3339
from shopkart_pipeline.domain.errors import PipelineError, UntrustedInput
from shopkart_pipeline.ports.builder import ImageRequest

_GZIP = b"\x1f\x8b"
_FIX = "Check the version of the builder; what it wrote is not the image that it describes."


def adopt(
    found: Manifest,
    blob: Callable[[str], Path],
    layout: Path,
    request: ImageRequest,
    packer: LayerPacker,
    deadline: Deadline,
) -> Manifest:
    """Put an image into a layout that is being filled.

    Args:
        found: its manifest.
        blob: where the blob of a digest is.
        layout: a folder that `new_layout` gave.
        request: says the commit's time, the labels and what the image has to start.

    Raises:
        PipelineError: it starts something else than the declaration says.
        TimeoutError: the deadline has passed.
        UntrustedInput: it is broken.
    """
    path = blob(found.config.digest)
    if path.stat().st_size > DOCUMENT_LIMIT_BYTES:
        raise UntrustedInput(f"The configuration is larger than {DOCUMENT_LIMIT_BYTES} bytes.", _FIX)
    content = path.read_bytes()
    parsed = parse(ConfigDocument, content, "the image's configuration")
    diff_ids = parsed.rootfs.diff_ids
    if len(diff_ids) != len(found.layers):
        raise UntrustedInput("The image has another number of layers than its configuration names.", _FIX)
    layers: list[Layer] = []
    for described, diff_id in zip(found.layers, diff_ids, strict=True):
        reused = packer.reuse(diff_id, layout)
        if reused is None:
            with blob(described.digest).open("rb") as stream:
                reused = take_layer(stream, diff_id, described.digest, layout, packer, deadline)
        layers.append(reused)
    config = _with_commit(json.loads(content), parsed.config.Labels, request)
    manifest = add_image(layout, document(config), [layer.blob for layer in layers], request.service.name)
    check_command(layout, manifest, request)
    return manifest


def take_layer(
    content: IO[bytes], diff_id: str, title: str, layout: Path, packer: LayerPacker, deadline: Deadline
) -> Layer:
    """Put a layer, plain or compressed with gzip, into a layout; raises `UntrustedInput` unless it unpacks to
    `diff_id`."""
    with tempfile.NamedTemporaryFile(dir=layout) as plain:
        start = content.read(len(_GZIP))
        content.seek(0)
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=content)) if start == _GZIP else content
        shutil.copyfileobj(source, plain, 1 << 20)
        plain.flush()
        layer = packer.compress(Path(plain.name), layout, deadline)
    if layer.diff_id != diff_id:
        raise UntrustedInput(f"The layer {title} is {layer.diff_id} instead of {diff_id}.", _FIX)
    return layer


def check_command(layout: Path, manifest: Manifest, request: ImageRequest) -> None:
    """Raise `PipelineError` unless the image starts what the declaration says."""
    starts = read_config(layout, manifest).config.command
    declared = request.service.workload.command
    # A Dockerfile may put a starter such as `tini --` before the command.
    if starts[-len(declared) :] != declared:
        what = f"The image starts {' '.join(starts) or 'nothing'}; the declaration {' '.join(declared)}."
        raise PipelineError(what, "Make ENTRYPOINT and the declared command the same.")


def _with_commit(config: dict[str, Any], labels: Mapping[str, str] | None, request: ImageRequest) -> dict[str, Any]:
    run: dict[str, Any] = config.get("config") or {}
    run = {**run, "Labels": {**(labels or {}), **labels_of(request)}}
    return {**config, "created": rfc3339(request.created_at), "config": run}
