"""Turns what `docker save` writes into an OCI image layout.

The configuration is carried over byte for byte, so its digest stays the one that a Docker image is known by, and the
layers' contents with it: each layer is compared with the digest that the configuration names. Only the compression is
ours, the same for equal layers, so that the manifest's digest depends on nothing but the image.

Rules: Docker image specification 1.2 ("Combined Image JSON + Filesystem Changeset Format") and its successors, which
write `manifest.json` beside an OCI layout; layers may be plain or compressed with gzip.
"""

import gzip
import tarfile
from pathlib import Path
from typing import IO

from pydantic import BaseModel, RootModel

from shopkart_pipeline.adapters._oci_adopt import take_layer
from shopkart_pipeline.adapters._oci_documents import DOCUMENT_LIMIT_BYTES, ConfigDocument, Manifest, parse
from shopkart_pipeline.adapters._oci_pack import Deadline, Layer, LayerPacker
from shopkart_pipeline.adapters._oci_write import add_image
from shopkart_pipeline.domain.errors import UntrustedInput

_FIX = "Check the engine's version; the archive is not what `docker save` is known to write."


class _ImageDocument(BaseModel):
    Config: str
    Layers: list[str]


class _ArchiveDocument(RootModel[list[_ImageDocument]]):
    """`manifest.json`."""


def convert(archive: Path, layout: Path, name: str, packer: LayerPacker, deadline: Deadline) -> Manifest:
    """Put the one image of an archive into a layout that is being filled.

    Args:
        archive: what the engine saved.
        layout: a folder that `new_layout` gave.
        name: what other tools call the image in this layout.

    Raises:
        TimeoutError: the deadline has passed.
        UntrustedInput: the archive is broken, or does not hold exactly one image.
    """
    try:
        with tarfile.open(archive) as tar:
            images = parse(_ArchiveDocument, _read(tar, "manifest.json"), "the engine's manifest.json").root
            if len(images) != 1:
                raise UntrustedInput(f"The engine saved {len(images)} images instead of one.", _FIX)
            content = _read(tar, images[0].Config)
            diff_ids = parse(ConfigDocument, content, "the image's configuration").rootfs.diff_ids
            if len(diff_ids) != len(images[0].Layers):
                raise UntrustedInput("The engine saved another number of layers than the image has.", _FIX)
            layers = [
                packer.reuse(diff_id, layout) or _layer(tar, member, diff_id, layout, packer, deadline)
                for member, diff_id in zip(images[0].Layers, diff_ids, strict=True)
            ]
    except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        raise UntrustedInput(f"The image that the engine saved can't be read: {error}.", _FIX) from error
    return add_image(layout, content, [layer.blob for layer in layers], name)


def _layer(
    tar: tarfile.TarFile, member: str, diff_id: str, layout: Path, packer: LayerPacker, deadline: Deadline
) -> Layer:
    with _open(tar, member) as content:
        return take_layer(content, diff_id, member, layout, packer, deadline)


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    with _open(tar, name) as content:
        found = content.read(DOCUMENT_LIMIT_BYTES + 1)
    if len(found) > DOCUMENT_LIMIT_BYTES:
        raise UntrustedInput(f"{name} is larger than {DOCUMENT_LIMIT_BYTES} bytes.", _FIX)
    return found


def _open(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        # Engines write a layer that occurs twice as a symbolic link to its first place; this follows it.
        content = tar.extractfile(name)
    except KeyError:
        content = None
    if content is None:
        raise UntrustedInput(f"The engine saved no {name}.", _FIX)
    return content
