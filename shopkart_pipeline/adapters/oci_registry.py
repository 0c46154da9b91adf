"""Keeps images in a folder: the embedded default registry.

    blobs/sha256/<hex>                     every blob once, shared by all repositories
    repositories/<name>/_manifests/<hex>   a manifest; it is written after all blobs that it names
    repositories/<name>/_tags/<tag>        the digest that the tag names; written last, never overwritten
    repositories/<name>/_referrers/<image's hex>/<hex>
                                           manifest of what is attached to an image; written after its content
    incoming/                              what is being written; nothing in it counts

Each file is written aside, flushed to disk and then put into place, so a pusher that is killed leaves no half image
and pushing again completes it. Several may push at once: blobs and manifests are equal where their names are equal,
and a tag is created by a hard link, which only one can win. The registry copies what it is given, so nothing that
happens to a layout later reaches it; a pulled layout shares its read-only files.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path

from shopkart_pipeline.adapters._disk_referrers import DiskReferrers
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters._oci_artifact import new_artifact
from shopkart_pipeline.adapters._oci_documents import (
    AGAIN,
    MANIFEST,
    Descriptor,
    Manifest,
    blob_path,
    digest_of,
    digest_of_file,
    parse_manifest,
)
from shopkart_pipeline.adapters._oci_names import check_digest, check_repository, check_tag, tag_taken
from shopkart_pipeline.adapters._oci_write import link_or_copy, new_layout, write_index
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import ImageRegistry, Referrer

_PIECE_BYTES = 1 << 20
_RESTORE = "Push the image again: the registry then replaces what is damaged."


class DiskRegistry(ImageRegistry):
    """A registry below one folder.

    Args:
        root: the folder; made where it is missing.
    """

    name = "disk"

    def __init__(self, root: Path) -> None:
        self._root = root

    def push(self, layout: Path, repository: str, tag: str) -> str:
        """Store the image; a blob that is stored already is read and compared, and written only if it differs.

        Raises:
            Conflict: the tag names another image.
            NotFound, UntrustedInput: the layout is missing, or a blob of it is corrupt.
            ToolUnavailable: the folder can't be written.
        """
        tag_path = self._repository(repository) / "_tags" / check_tag(tag)
        manifest = read_manifest(layout)
        with _answering(self._root), self._incoming() as incoming:
            self._refuse_move(tag_path, repository, manifest.digest)
            for blob in manifest.blobs:
                self._store(blob_path(layout, blob.digest), blob_path(self._root, blob.digest), blob, incoming)
            held = self._manifest_path(repository, manifest.digest)
            described = Descriptor("manifest", manifest.digest, manifest.size_bytes)
            self._store(blob_path(layout, manifest.digest), held, described, incoming)
            self._verify(repository, manifest.digest)
            _create_once(tag_path, manifest.digest.encode(), incoming)
            self._refuse_move(tag_path, repository, manifest.digest)
        return manifest.digest

    def resolve(self, repository: str, tag: str) -> str | None:
        """The digest that a tag names, or None."""
        with _answering(self._root):
            return _read_tag(self._repository(repository) / "_tags" / check_tag(tag))

    def has(self, repository: str, digest: str) -> bool:
        """Whether manifest and all blobs are there with their sizes; `pull` compares the bytes."""
        with _answering(self._root):
            try:
                manifest = self._read_manifest(repository, digest)
            except NotFound:
                return False
            return all(_has_size(blob_path(self._root, blob.digest), blob.size_bytes) for blob in manifest.blobs)

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        """Write the image as a layout, its blobs as hard links where the file system allows it.

        Raises:
            NotFound: the repository has no such image.
            UntrustedInput: a blob is corrupt or missing; the message names it.
        """
        with _answering(self._root):
            manifest = self._verify(repository, digest)
            with new_layout(layout) as filled:
                for blob in manifest.blobs:
                    link_or_copy(blob_path(self._root, blob.digest), blob_path(filled, blob.digest))
                link_or_copy(self._manifest_path(repository, digest), blob_path(filled, digest))
                write_index(filled, manifest, repository.rpartition("/")[2])

    def attach(
        self,
        repository: str,
        subject_digest: str,
        artifact_type: str,
        content: bytes,
        annotations: Mapping[str, str],
    ) -> str:
        """Keep a content beside an image, see `_disk_referrers`."""
        with _answering(self._root):
            manifest = self._read_manifest(repository, subject_digest)
            subject = Descriptor(MANIFEST, subject_digest, manifest.size_bytes)
            artifact = new_artifact(subject, artifact_type, content, annotations)
            self._referrers(repository).attach(artifact, content)
        return artifact.digest

    def referrers(self, repository: str, subject_digest: str, artifact_type: str | None = None) -> tuple[Referrer, ...]:
        """What is kept beside an image."""
        with _answering(self._root):
            return self._referrers(repository).find(check_digest(subject_digest), artifact_type)

    def read_attached(self, repository: str, digest: str) -> bytes:
        """The verified content of what is kept beside an image."""
        with _answering(self._root):
            return self._referrers(repository).read(check_digest(digest))

    def _referrers(self, repository: str) -> DiskReferrers:
        return DiskReferrers(self._repository(repository) / "_referrers", self._root)

    def _repository(self, name: str) -> Path:
        return self._root / "repositories" / check_repository(name)

    def _manifest_path(self, repository: str, digest: str) -> Path:
        return self._repository(repository) / "_manifests" / check_digest(digest).removeprefix("sha256:")

    def _read_manifest(self, repository: str, digest: str) -> Manifest:
        path = self._manifest_path(repository, digest)
        if not path.is_file():
            raise NotFound(f"The registry has no image {repository}@{digest}.", "Push it first.")
        content = path.read_bytes()
        if digest_of(content) != digest:
            raise UntrustedInput(f"Manifest {digest} in the registry is corrupt: its bytes differ.", _RESTORE)
        return parse_manifest(content, str(path))

    def _verify(self, repository: str, digest: str) -> Manifest:
        """Read the image back and compare every blob with its digest."""
        manifest = self._read_manifest(repository, digest)
        for blob in manifest.blobs:
            path = blob_path(self._root, blob.digest)
            if not path.is_file():
                raise UntrustedInput(f"Blob {blob.digest} is missing in the registry.", _RESTORE)
            if not _is_whole(path, blob):
                raise UntrustedInput(f"Blob {blob.digest} in the registry is corrupt: its bytes differ.", _RESTORE)
        return manifest

    def _store(self, source: Path, target: Path, blob: Descriptor, incoming: Path) -> None:
        if _is_whole(target, blob):
            return
        if not source.is_file():
            raise UntrustedInput(f"Blob {blob.digest} is missing in the layout.", AGAIN)
        with source.open("rb") as content, tempfile.NamedTemporaryFile(dir=incoming, delete=False) as copy:
            found = hashlib.sha256()
            while piece := content.read(_PIECE_BYTES):
                found.update(piece)
                copy.write(piece)
            if f"sha256:{found.hexdigest()}" != blob.digest:
                raise UntrustedInput(f"Blob {blob.digest} in the layout is corrupt: its bytes differ.", AGAIN)
            _flush(copy.fileno(), 0o444)
        _make_folder(target.parent)
        Path(copy.name).replace(target)
        _flush_folder(target.parent)

    def _refuse_move(self, tag_path: Path, repository: str, digest: str) -> None:
        held = _read_tag(tag_path)
        if held is not None and held != digest:
            raise tag_taken(repository, tag_path.name, held, digest)

    @contextlib.contextmanager
    def _incoming(self) -> Generator[Path]:
        """A folder to write in, swept by whoever finds nobody else pushing: a killed pusher leaves files behind."""
        incoming = self._root / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        with (self._root / "incoming.lock").open("ab") as lock:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in incoming.iterdir():
                    left.unlink(missing_ok=True)
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield incoming


def _create_once(path: Path, content: bytes, incoming: Path) -> None:
    """Create a file with its content in one step, unless it is there."""
    _make_folder(path.parent)
    with tempfile.NamedTemporaryFile(dir=incoming) as new:
        new.write(content)
        new.flush()
        _flush(new.fileno(), 0o444)
        with contextlib.suppress(FileExistsError):
            os.link(new.name, path)
    _flush_folder(path.parent)


def _read_tag(path: Path) -> str | None:
    try:
        return check_digest(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


def _is_whole(path: Path, blob: Descriptor) -> bool:
    return _has_size(path, blob.size_bytes) and digest_of_file(path) == blob.digest


def _flush(descriptor: int, mode: int) -> None:
    os.fchmod(descriptor, mode)
    os.fsync(descriptor)


def _make_folder(folder: Path) -> None:
    """Make a folder that outlives a power cut."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _answering(root: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ToolUnavailable(
            f"The registry in {root} does not work: {error}.", "Look at the folder and its disk."
        ) from error
