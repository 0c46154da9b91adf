"""The file tree that an image's layers add up to, in memory: every name, and the content of what is asked for.

Names are resolved and whiteouts honoured as where layers are unpacked to a folder (`_oci_layer`), but nothing is
written, so looking into a large image costs no more than reading it. Each file knows the layer that brought it. What is
to be kept is told by its path; a file of that kind that is a link to content that was not kept can't be read, which is
said and not passed over.

Rules: OCI image-spec 1.1, `layer.md`.
"""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from shopkart_pipeline.adapters._oci_layer import MOST_LINKS, OPAQUE, WHITEOUT, entry_parts
from shopkart_pipeline.domain.errors import UntrustedInput

_DEEPEST = 200
"""Folders in one path."""
_LARGEST_BYTES = 64 << 20
"""Of one file that is kept."""
_ALL_BYTES = 512 << 20
"""Of all files that are kept."""
_FIX = "Don't use this image; find out who built it."


@dataclass
class _File:
    content: bytes | None
    """None: it was not to be kept."""
    layer: str
    written: int
    """Number of the layer that wrote it last."""


@dataclass
class _Link:
    target: str
    written: int


@dataclass
class _Folder:
    inside: dict[str, "_Folder | _File | _Link"] = field(default_factory=dict[str, "_Folder | _File | _Link"])
    written: int = -1
    """As of a file; -1 for folders that nobody named."""


@dataclass(frozen=True)
class KeptFile:
    """A file whose content was kept."""

    path: str
    content: bytes | None = field(repr=False)
    """None: it is a hard link to a file that was not kept."""
    layer: str


class ImageTree:
    """Layers are applied in the order of the manifest.

    Args:
        keep: whether the content of the file at a path is wanted.
    """

    def __init__(self, keep: Callable[[str], bool]) -> None:
        self._keep = keep
        self._root = _Folder()
        self._layer, self._number, self._kept_bytes = "", -1, 0

    def apply(self, layer: str, stream: IO[bytes]) -> None:
        """Apply one layer, a plain tar archive.

        Raises:
            UntrustedInput: an entry has an impossible name, or there is more to keep than can be meant.
            tarfile.TarError: it is no archive.
        """
        self._layer, self._number = layer, self._number + 1
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                parts = entry_parts(member.name)
                if parts:
                    path, folder = self._folder(parts[:-1])
                    self._entry(archive, member, folder, "/".join((*path, parts[-1])), parts[-1])

    def files(self) -> Iterator[KeptFile]:
        """Files that were to be kept, by path."""
        pending: list[tuple[str, _Folder | _File | _Link]] = [("", self._root)]
        while pending:
            path, node = pending.pop()
            if isinstance(node, _Folder):
                inside = sorted(node.inside.items(), reverse=True)
                pending += [(f"{path}/{name}".lstrip("/"), child) for name, child in inside]
            elif isinstance(node, _File) and self._keep(path):
                yield KeptFile(path, node.content, node.layer)

    def has(self, path: str) -> bool:
        """Whether there is something at a path; links on the way are not followed."""
        node: _Folder | _File | _Link | None = self._root
        for part in path.split("/"):
            node = node.inside.get(part) if isinstance(node, _Folder) else None
        return node is not None

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo, folder: _Folder, path: str, name: str) -> None:
        present = folder.inside.get(name)
        if name == OPAQUE:
            self._hide_inside(folder)
        elif name.startswith(WHITEOUT):
            self._hide(folder, name.removeprefix(WHITEOUT))
        elif member.isdir():
            inside = present.inside if isinstance(present, _Folder) else {}
            folder.inside[name] = _Folder(inside, self._number)
        elif member.isreg():
            content = self._content(archive, member, path) if self._keep(path) else None
            folder.inside[name] = _File(content, self._layer, self._number)
        elif member.issym():
            folder.inside[name] = _Link(member.linkname, self._number)
        elif member.islnk():
            folder.inside[name] = self._hard_link(member.linkname, present)

    def _content(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> bytes:
        self._kept_bytes += member.size
        if member.size > _LARGEST_BYTES or self._kept_bytes > _ALL_BYTES:
            raise UntrustedInput(f"{path} of the image is larger than what tells of packages can be.", _FIX)
        source = archive.extractfile(member)
        if source is None:
            raise tarfile.ReadError(f"{member.name} has no content")
        with source:
            return source.read()

    def _hard_link(self, name: str, present: "_Folder | _File | _Link | None") -> _File:
        parts = entry_parts(name)
        source = self._folder(parts[:-1])[1].inside.get(parts[-1]) if parts else None
        if not isinstance(source, _File):
            raise UntrustedInput(f"A hard link names {name}, which is no file of the image.", _FIX)
        return source if source is present else _File(source.content, self._layer, self._number)

    def _hide(self, folder: _Folder, name: str) -> None:
        """Remove what lower layers brought under a name, and keep what this layer has written there."""
        node = folder.inside.get(name)
        if isinstance(node, _Folder):
            self._hide_inside(node)
        if node is not None and node.written != self._number and not (isinstance(node, _Folder) and node.inside):
            del folder.inside[name]

    def _hide_inside(self, folder: _Folder) -> None:
        for name in list(folder.inside):
            self._hide(folder, name)

    def _folder(self, parts: Sequence[str]) -> tuple[list[str], _Folder]:
        """The real folder that a name means, with its path; made where it is missing."""
        pending, followed = list(reversed(parts)), 0
        path, folders = list[str](), [self._root]
        while pending:
            part = pending.pop()
            if part == "..":
                del path[-1:]
                del folders[len(path) + 1 :]
            if part in ("", ".", ".."):
                continue
            node = folders[-1].inside.get(part)
            if isinstance(node, _Link):
                followed += 1
                if followed > MOST_LINKS:
                    raise UntrustedInput(f"The image's name {'/'.join(parts)} runs in a circle of links.", _FIX)
                if node.target.startswith("/"):
                    path, folders = [], [self._root]
                pending.extend(reversed(node.target.split("/")))
                continue
            if not isinstance(node, _Folder):
                node = folders[-1].inside[part] = _Folder()
            path.append(part)
            folders.append(node)
            if len(path) > _DEEPEST:
                raise UntrustedInput(f"The image holds a path of more than {_DEEPEST} folders.", _FIX)
        return path, folders[-1]
