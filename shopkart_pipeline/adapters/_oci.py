"""Reads OCI image layouts: manifest, configuration, blobs, and the file tree that the layers add up to.

What is read counts as untrusted: every document is validated, every blob is compared with its digest and size before
anything rests on it, and a layout holds exactly one image for one platform. Writing layouts is left to the builders,
and where images are kept is left to the registries.

Rules: OCI image-spec 1.1, `image-layout.md`.
"""

import contextlib
import gzip
import hashlib
import shutil
import tarfile
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, cast

from shopkart_pipeline.adapters._oci_documents import (
    AGAIN,
    DOCUMENT_LIMIT_BYTES,
    LAYER_GZIP,
    LAYER_TAR,
    MANIFEST,
    ConfigDocument,
    Descriptor,
    IndexDocument,
    Manifest,
    blob_path,
    digest_of_file,
    parse,
    parse_manifest,
)
from shopkart_pipeline.adapters._oci_layer import LayerTarget
from shopkart_pipeline.adapters._staging import staging
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput


def read_manifest(layout: Path) -> Manifest:
    """The manifest of the one image in a layout.

    Raises:
        NotFound: there is no layout.
        UntrustedInput: the layout is broken, or holds no image or several.
    """
    index_path = layout / "index.json"
    if not index_path.is_file():
        raise NotFound(f"{layout} is no OCI image layout: it has no index.json.", AGAIN)
    index = parse(IndexDocument, _small(index_path), str(index_path))
    images = [entry.descriptor() for entry in index.manifests if entry.mediaType == MANIFEST]
    if len(images) != 1 or len(index.manifests) != 1:
        kinds = ", ".join(entry.mediaType for entry in index.manifests) or "nothing"
        fix = "Copy the one image that is meant into a layout of its own."
        raise UntrustedInput(f"{layout} must hold exactly one image; it holds {kinds}.", fix)
    verify_blob(layout, images[0])
    path = blob_path(layout, images[0].digest)
    return parse_manifest(_small(path), str(path))


def read_config(layout: Path, manifest: Manifest) -> ConfigDocument:
    """The configuration of a layout's image: what it starts, its variables, its layers' contents."""
    verify_blob(layout, manifest.config)
    path = blob_path(layout, manifest.config.digest)
    config = parse(ConfigDocument, _small(path), str(path))
    if len(config.rootfs.diff_ids) != len(manifest.layers):
        raise UntrustedInput(f"{path} names other layers than its manifest.", AGAIN)
    return config


def verify_blob(layout: Path, blob: Descriptor) -> None:
    """Compare a blob with its size and digest; raises `UntrustedInput` naming the blob."""
    path = blob_path(layout, blob.digest)
    if not path.is_file():
        raise UntrustedInput(f"Blob {blob.digest} is missing in {layout}.", AGAIN)
    found_bytes = path.stat().st_size
    if found_bytes != blob.size_bytes:
        what = f"Blob {blob.digest} in {layout} has {found_bytes} bytes instead of {blob.size_bytes}."
        raise UntrustedInput(what, AGAIN)
    if digest_of_file(path) != blob.digest:
        raise UntrustedInput(f"Blob {blob.digest} in {layout} is corrupt: its bytes have another digest.", AGAIN)


def unpack(layout: Path, destination: Path) -> None:
    """Write the image's file tree to `destination`, complete or not at all.

    A destination that is there and not empty is complete already and is kept, so callers name it by digest. Owners,
    devices and set-user-id bits are not restored; every symbolic link stays inside of `destination`.

    Raises:
        NotFound: there is no layout.
        UntrustedInput: a blob is corrupt, or an entry reaches out of `destination`.
    """
    if destination.is_dir() and any(destination.iterdir()):
        return
    with staging(destination) as folder:
        target = LayerTarget(folder / "root")
        read_layers(layout, lambda _, plain: target.apply(plain))
        target.check_links()
        _move_into_place(target.root, destination)


def read_layers(layout: Path, apply: Callable[[Descriptor, IO[bytes]], None]) -> Manifest:
    """Hand out each layer as a plain archive, the lowest first; returns the manifest that names them.

    Raises:
        NotFound: there is no layout.
        UntrustedInput: a blob is corrupt, or what `apply` reads is no archive.
    """
    manifest = read_manifest(layout)
    diff_ids = read_config(layout, manifest).rootfs.diff_ids
    for layer, diff_id in zip(manifest.layers, diff_ids, strict=True):
        verify_blob(layout, layer)
        with _reading_errors(layer), open_layer(blob_path(layout, layer.digest), layer.media_type) as plain:
            reader = _HashingReader(plain)
            apply(layer, cast("IO[bytes]", reader))
            if reader.finish() != diff_id:
                raise UntrustedInput(f"Layer {layer.digest} does not unpack to {diff_id}.", AGAIN)
    return manifest


def open_layer(path: Path, media_type: str) -> IO[bytes]:
    """A layer's plain archive; raises `UntrustedInput` for a compression that is not known."""
    if media_type == LAYER_GZIP:
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if media_type == LAYER_TAR:
        return path.open("rb")
    fix = "Use layers that are plain or compressed with gzip."
    raise UntrustedInput(f"Layer {path.name} is a {media_type}, which can't be unpacked.", fix)


class _HashingReader:
    """Passes a stream on and hashes it on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._hash.update(piece)
        return piece

    def finish(self) -> str:
        """Read what the archive's reader left over, and return the digest of everything."""
        while self.read(1 << 20):
            pass
        return f"sha256:{self._hash.hexdigest()}"


@contextlib.contextmanager
def _reading_errors(layer: Descriptor) -> Generator[None]:
    try:
        yield
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise UntrustedInput(f"Layer {layer.digest} can't be read: {error}.", AGAIN) from error


def _move_into_place(root: Path, destination: Path) -> None:
    try:
        root.rename(destination)
    except OSError:
        if not (destination.is_dir() and any(destination.iterdir())):
            raise
        # Somebody else unpacked the same image meanwhile; theirs is as good as ours.
        shutil.rmtree(root)


def _small(path: Path) -> bytes:
    if path.stat().st_size > DOCUMENT_LIMIT_BYTES:
        raise UntrustedInput(f"{path} is larger than {DOCUMENT_LIMIT_BYTES} bytes.", AGAIN)
    return path.read_bytes()
