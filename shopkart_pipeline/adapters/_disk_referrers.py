"""Keeps artifacts beside the images of the registry on disk: one file per artifact, in a folder per image.

The manifest is written after its content, whole or not at all, so whoever lists finds complete artifacts. Two that
attach at once write two files. What was damaged is written again by attaching it again.
"""

from pathlib import Path

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._oci_artifact import (
    EMPTY_CONTENT,
    REFERRERS_LIMIT,
    Artifact,
    parse_artifact,
)
from shopkart_pipeline.adapters._oci_documents import DOCUMENT_LIMIT_BYTES, blob_path, digest_of
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline.ports.registry import Referrer

_RESTORE = "Attach it again: the registry then replaces what is damaged."


class DiskReferrers:
    """The artifacts of one repository.

    Args:
        folder: has a folder for each image that something is attached to.
        root: of the registry, which keeps the contents among its blobs.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root

    def attach(self, artifact: Artifact, content: bytes) -> None:
        """Keep an artifact beside the image that it names."""
        for blob in (EMPTY_CONTENT, content):
            _write(blob_path(self._root, digest_of(blob)), blob)
        _write(self._folder / _hex(artifact.subject_digest) / _hex(artifact.digest), artifact.manifest)

    def find(self, subject_digest: str, artifact_type: str | None) -> tuple[Referrer, ...]:
        """The artifacts of an image; raises `UntrustedInput` for one that was changed or moved there."""
        folder = self._folder / _hex(subject_digest)
        names = sorted(path.name for path in folder.glob("[0-9a-f]*")) if folder.is_dir() else []
        if len(names) > REFERRERS_LIMIT:
            what = f"More than {REFERRERS_LIMIT} things are attached to {subject_digest}."
            raise UntrustedInput(what, "Look at what fills the registry.")
        found: list[Referrer] = []
        for name in names:
            artifact = _read(folder / name)
            if artifact.subject_digest != subject_digest:
                what = f"Manifest {artifact.digest} is listed beside {subject_digest} and belongs to another image."
                raise UntrustedInput(what, "Find out who put it there.")
            if artifact_type in (None, artifact.artifact_type):
                found.append(artifact.referrer)
        return tuple(found)

    def read(self, digest: str) -> bytes:
        """The content of an artifact."""
        paths = sorted(self._folder.glob(f"*/{_hex(digest)}"))
        if not paths:
            raise NotFound(f"The registry has nothing attached as {digest}.", "Attach it first.")
        content = _read(paths[0]).content
        path = blob_path(self._root, content.digest)
        if not path.is_file():
            raise UntrustedInput(f"Blob {content.digest} is missing in the registry.", _RESTORE)
        found = path.read_bytes() if path.stat().st_size == content.size_bytes else b""
        if digest_of(found) != content.digest:
            raise UntrustedInput(f"Blob {content.digest} in the registry is corrupt: its bytes differ.", _RESTORE)
        return found


def _read(path: Path) -> Artifact:
    digest = f"sha256:{path.name}"
    content = b"" if path.stat().st_size > DOCUMENT_LIMIT_BYTES else path.read_bytes()
    if digest_of(content) != digest:
        raise UntrustedInput(f"Manifest {digest} in the registry is corrupt: its bytes differ.", _RESTORE)
    return parse_artifact(content, f"manifest {digest}")


def _write(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content, 0o444)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
