"""The container: a ZIP file that can be written in one way only, so that every byte of it can be accounted for.

Entries are stored in the order of their names, without compression, time, comment or extra field; the directory
follows from them, and nothing comes before, between or after.

Source: PKZIP APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .claims import MISSING, Fault
from .documents import LONGEST_DOCUMENT

_MOST_FILES, _MOST_BYTES = 0xFFFF, 0xFFFFFFFF
"""What the directory can say."""
_CHUNK = 1 << 20
_NAME = re.compile(r"(?!/)(?!.*(?:^|/)\.{1,2}(?:/|$))(?!.*//)[A-Za-z0-9._@/+-]{1,200}(?<!/)", re.ASCII)


def local_header(name: str, size_bytes: int, crc: int) -> bytes:
    """What stands before a file: stored, UTF-8, without a time."""
    told = name.encode()
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0x800, 0, 0, 33, crc, size_bytes, size_bytes, len(told), 0) + told


def directory(files: Iterable[StoredFile]) -> bytes:
    """What stands behind the files."""
    entries: list[bytes] = []
    start = 0
    for each in files:
        name, size = each.name.encode(), each.size_bytes
        told = (20, 20, 0x800, 0, 0, 33, each.crc, size, size, len(name), 0, 0, 0, 0, 0, each.header_at)
        entries.append(struct.pack("<4s6H3L5H2L", b"PK\1\2", *told) + name)
        start = each.content_at + size
    whole = b"".join(entries)
    return whole + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(entries), len(entries), len(whole), start, 0)


def is_good_name(name: str) -> bool:
    """Whether a file may have this name: plain, relative, and without a way out of the folder."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class StoredFile:
    """Where a file stands in the container."""

    name: str
    size_bytes: int
    crc: int
    header_at: int
    content_at: int
    sha256: str


def _is_same(file: StoredFile, sha256: str) -> None:
    """What is read on has to be what was measured: somebody may write to the file meanwhile."""
    if sha256 != file.sha256:
        raise Fault(f"{file.name} was changed while it was read")


class Container:
    """The files of a bundle, every byte of which has been accounted for. Raises `Fault` where one is not."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.files: dict[str, StoredFile] = {}
        stream.seek(0, 2)
        self._size, position = stream.tell(), 0
        while self._at(position, 4) == b"PK\3\4":
            found = self._file(position)
            self.files[found.name] = found
            position = found.content_at + found.size_bytes
            if len(self.files) > _MOST_FILES or position > _MOST_BYTES:
                raise Fault(f"there are more than {_MOST_FILES} files or {_MOST_BYTES} bytes")
        expected = directory(self.files.values())
        if self._at(position, len(expected) + 1) != expected:
            raise Fault(f"the directory at byte {position} is not that of the files before it, or more follows")
        if not self.files:
            raise Fault("there is no file in it")

    def read(self, name: str) -> bytes:
        """A file, whole."""
        found = self.files.get(name)
        if found is None:
            raise Fault(f"there is no {name}", MISSING)
        if found.size_bytes > LONGEST_DOCUMENT:
            raise Fault(f"{name} is too long to be read")
        content = self._at(found.content_at, found.size_bytes)
        _is_same(found, hashlib.sha256(content).hexdigest())
        return content

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file, which all end."""
        found = self.files.get(name)
        if found is None:
            raise Fault(f"there is no {name}", MISSING)
        position, end, sha256 = found.content_at, found.content_at + found.size_bytes, hashlib.sha256()
        while position < end:
            self._stream.seek(position)
            line = self._stream.readline(min(LONGEST_DOCUMENT, end - position))
            if not line.endswith(b"\n"):
                raise Fault(f"{name} has a line that does not end")
            position += len(line)
            sha256.update(line)
            yield line[:-1]
        _is_same(found, sha256.hexdigest())

    def _at(self, position: int, length: int) -> bytes:
        self._stream.seek(position)
        return self._stream.read(length)

    def _file(self, position: int) -> StoredFile:
        fixed = self._at(position, 30)
        if len(fixed) < 30:
            raise Fault(f"it is cut short at byte {position}")
        crc, size, _, name_length, _ = struct.unpack("<14x3L2H", fixed)
        told = self._at(position + 30, name_length)
        name = told.decode("ascii", "replace")
        if not is_good_name(name):
            raise Fault(f"the file at byte {position} has a name that no file may have: {name[:80]!r}")
        if fixed + told != local_header(name, size, crc):
            raise Fault(f"the header of {name} at byte {position} is not as it has to be")
        if self.files and name <= next(reversed(self.files)):
            raise Fault(f"{name} at byte {position} is there twice, or out of order")
        content_at = position + 30 + name_length
        if content_at + size > self._size:
            raise Fault(f"{name} is cut short")
        sha256, found = hashlib.sha256(), 0
        for offset in range(0, size, _CHUNK):
            chunk = self._at(content_at + offset, min(_CHUNK, size - offset))
            sha256.update(chunk)
            found = zlib.crc32(chunk, found)
        if found != crc:
            raise Fault(f"{name} was changed: its checksum is another")
        return StoredFile(name, size, crc, position, content_at, sha256.hexdigest())
