"""Writes OCI image layouts: filled in a folder of their own, and in place complete or not at all.

Documents are written in one canonical form, so equal documents have equal digests. Blobs are read-only files that may
be hard links: they are never changed, only replaced.

Rules: OCI image-spec 1.1, `image-layout.md`, `descriptor.md`, `canonicalization.md`.
"""

import contextlib
import errno
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shopkart_pipeline.adapters._oci_documents import (
    CONFIG,
    MANIFEST,
    Descriptor,
    Manifest,
    blob_path,
    digest_of,
    digest_of_file,
    parse_manifest,
)
from shopkart_pipeline.adapters._staging import staging
from shopkart_pipeline.ports.builder import ImageRequest

_INDEX = "application/vnd.oci.image.index.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "AMD64": "amd64"}
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)


def document(content: Mapping[str, object]) -> bytes:
    """A document in canonical form."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@contextlib.contextmanager
def new_layout(layout: Path) -> Generator[Path]:
    """A folder to fill, which becomes `layout` when the block ends without an error; an older layout is replaced."""
    with staging(layout) as folder:
        filled = folder / "layout"
        (filled / "blobs" / "sha256").mkdir(parents=True)
        yield filled
        (filled / "oci-layout").write_bytes(document({"imageLayoutVersion": "1.0.0"}))
        while True:
            with contextlib.suppress(FileNotFoundError):
                layout.rename(tempfile.mkdtemp(dir=folder))
            try:
                filled.rename(layout)
                return
            except OSError as error:
                # Somebody else put theirs there between the two steps; ours came later and replaces it.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise


def add_bytes(layout: Path, content: bytes, media_type: str) -> Descriptor:
    """Put a document into a layout that is being filled."""
    digest = digest_of(content)
    path = blob_path(layout, digest)
    if not path.exists():
        path.write_bytes(content)
        path.chmod(0o444)
    return Descriptor(media_type, digest, len(content))


def add_blob(layout: Path, source: Path, media_type: str) -> Descriptor:
    """Put a file into a layout that is being filled, as a hard link where the file system allows it."""
    digest = digest_of_file(source)
    link_or_copy(source, blob_path(layout, digest))
    return Descriptor(media_type, digest, source.stat().st_size)


def add_image(layout: Path, config: bytes, layers: Sequence[Descriptor], name: str) -> Manifest:
    """Put configuration, manifest and index of an image into a layout that holds its layers already.

    Args:
        layout: a folder that `new_layout` gave.
        config: the configuration's bytes.
        layers: descriptors of the layers, the lowest first.
        name: what other tools call the image in this layout, see `write_index`.
    """
    content = document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": as_document(add_bytes(layout, config, CONFIG)),
            "layers": [as_document(layer) for layer in layers],
        }
    )
    manifest = parse_manifest(content, "the new image's manifest")
    add_bytes(layout, content, MANIFEST)
    write_index(layout, manifest, name)
    return manifest


def write_index(layout: Path, manifest: Manifest, name: str) -> None:
    """Make an image the one of a layout, under a name that `skopeo` and `umoci` show as its tag."""
    entry = {
        **as_document(Descriptor(MANIFEST, manifest.digest, manifest.size_bytes)),
        "annotations": {"org.opencontainers.image.ref.name": name},
    }
    index = document({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]})
    (layout / "index.json").write_bytes(index)


def as_document(blob: Descriptor) -> dict[str, object]:
    """A descriptor as the specification writes it."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size_bytes}


def labels_of(request: ImageRequest) -> dict[str, str]:
    """An image's labels: those that the request gives, and what it says about itself (`annotations.md`)."""
    return {
        "org.opencontainers.image.created": rfc3339(request.created_at),
        "org.opencontainers.image.title": request.service.name,
        "org.opencontainers.image.source": request.service.source.repository,
        **request.labels,
    }


def architecture() -> str:
    """This machine's architecture, as the specification names it."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def rfc3339(moment: datetime) -> str:
    """A time as the specification writes it, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same read-only bytes as `source`; a target that is there has them already."""
    try:
        os.link(source, target)
        target.chmod(0o444)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as copy, source.open("rb") as content:
            shutil.copyfileobj(content, copy)
        Path(copy.name).chmod(0o444)
        Path(copy.name).replace(target)
