"""Files become one container, whose every byte follows from their names and contents.

It is a ZIP file that any tool opens, with the files in the order of their names, stored as they are, without times or
other freedom: whoever reads it can say of every byte what it has to be (`verifier`). Nothing is compressed, because
what a compressor writes depends on its version, and its output has bits that nobody would miss.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.verifier.container import StoredFile, directory, is_good_name, local_header

_LARGEST_BYTES = 0xFFFFFFFF
"""What the format can say without extensions."""


@dataclass(frozen=True)
class BundleFile:
    """One file, which can be read again: for its digest and for its content."""

    path: str
    chunks: Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Measured:
    """What is known of a file before it is written."""

    file: BundleFile
    size_bytes: int
    crc: int
    sha256: str


def in_memory(path: str, content: bytes) -> BundleFile:
    """A file whose content is at hand."""
    return BundleFile(path, lambda: (content,))


def measure(file: BundleFile) -> Measured:
    """Read a file once. Raises `PipelineError` where it can't be in a bundle."""
    if not is_good_name(file.path):
        raise PipelineError(f"A bundle can't hold a file named {file.path[:80]!r}.", "Rename what it is from.")
    size, crc, sha256 = 0, 0, hashlib.sha256()
    for chunk in file.chunks():
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
        sha256.update(chunk)
    return Measured(file, size, crc, sha256.hexdigest())


def write_container(files: Iterable[Measured], stream: BinaryIO) -> None:
    """Write the files, in the order of their names.

    Raises:
        PipelineError: a file is not any more what it was when it was measured, or all of them are too much.
    """
    stored = list[StoredFile]()
    position = 0
    for each in sorted(files, key=lambda each: each.file.path):
        header = local_header(each.file.path, each.size_bytes, each.crc)
        content_at = position + len(header)
        if content_at + each.size_bytes > _LARGEST_BYTES:
            raise PipelineError("The bundle would be larger than 4 GiB.", "Keep smaller reports.")
        stream.write(header)
        for chunk in _unchanged(each):
            stream.write(chunk)
        stored.append(
            StoredFile(each.file.path, each.size_bytes, each.crc, position, content_at, each.sha256),
        )
        position = content_at + each.size_bytes
    stream.write(directory(stored))


def _unchanged(measured: Measured) -> Iterator[bytes]:
    sha256 = hashlib.sha256()
    for chunk in measured.file.chunks():
        sha256.update(chunk)
        yield chunk
    if sha256.hexdigest() != measured.sha256:
        raise PipelineError(f"{measured.file.path} changed while the bundle was written.", "Write it again.")
