"""Applies the layers of an image to a folder, one archive after the other.

Archives are untrusted. Names are resolved as a process confined to the folder would resolve them, so no entry is
written outside, whatever links earlier entries made; absolute links are rewritten to relative ones, and links that
still lead out are refused at the end. Whiteouts hide what lower layers brought, never what their own layer brings.
Owners, devices, pipes and set-user-id bits are left out: the tree is for reading and for running one process.

Rules: OCI image-spec 1.1, `layer.md` (whiteouts, opaque whiteouts, replaced entries).
"""

import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from shopkart_pipeline.domain.errors import UntrustedInput

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
MOST_LINKS = 40
"""Links followed for one name, as many as Linux follows."""
_LONGEST_PATH = 2000
"""Characters of a path below the folder; keeps every path well below the limit of the system (4096 bytes)."""
_LONGEST_NAME_BYTES = 255
_FIX = "Don't use this image; find out who built it."


class LayerTarget:
    """A folder that layers are applied to, in the order of the manifest."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self.root = root.resolve()
        self._links: list[Path] = []
        self._written: set[Path] = set()
        self._folders: dict[tuple[str, ...], Path] = {}

    def apply(self, stream: IO[bytes]) -> None:
        """Apply one layer: a plain tar archive.

        Raises:
            UntrustedInput: an entry reaches out of the folder.
            tarfile.TarError: it is no archive.
        """
        self._written.clear()
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                parts = entry_parts(member.name)
                if parts:
                    self._entry(archive, member, self._folder(parts[:-1]), parts[-1])

    def check_links(self) -> None:
        """Refuse links that lead out of the folder; called once after the last layer."""
        for link in self._links:
            if link.is_symlink() and not Path(os.path.realpath(link)).is_relative_to(self.root):
                name = link.relative_to(self.root)
                raise UntrustedInput(f"The link {name} leads out of the image.", _FIX)

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, name: str) -> None:
        if name == OPAQUE:
            for path in folder.iterdir():
                self._hide(path)
            return
        if name.startswith(WHITEOUT):
            self._hide(folder / name.removeprefix(WHITEOUT))
            return
        path = folder / name
        if len(str(path)) - len(str(self.root)) > _LONGEST_PATH:
            raise UntrustedInput(f"The image holds a path of more than {_LONGEST_PATH} characters.", _FIX)
        if member.isdir():
            self._make_folder(path, member.mode)
        elif member.isreg():
            self._make_file(archive, member, path)
        elif member.issym():
            self._make_link(path, member.linkname)
        elif member.islnk():
            self._make_hard_link(path, member.linkname)
        else:
            return
        self._written.add(path)

    def _make_folder(self, path: Path, mode: int) -> None:
        if path.is_symlink() or not path.is_dir():
            self._remove(path)
            path.mkdir()
        path.chmod(0o700 | (mode & 0o777))

    def _make_file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        self._remove(path)
        content = archive.extractfile(member)
        if content is None:
            raise tarfile.ReadError(f"{member.name} has no content")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with content, os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(content, target, 1 << 20)
            target.flush()
            os.fchmod(target.fileno(), 0o600 | (member.mode & 0o777))
            os.utime(target.fileno(), (member.mtime, member.mtime))

    def _make_link(self, path: Path, text: str) -> None:
        self._remove(path)
        if "\0" in text or len(text) > _LONGEST_PATH:
            raise UntrustedInput(f"The image's link {path.name} has an impossible target.", _FIX)
        if text.startswith("/"):
            text = os.path.relpath(self.root / text.lstrip("/"), path.parent)
        path.symlink_to(text)
        self._links.append(path)
        self._folders.clear()

    def _make_hard_link(self, path: Path, name: str) -> None:
        parts = entry_parts(name)
        source = self._folder(parts[:-1]) / parts[-1] if parts else self.root
        if source == path:
            return
        if source.is_symlink() or not source.is_file():
            raise UntrustedInput(f"The hard link {path.name} names {name}, which is no file of the image.", _FIX)
        self._remove(path)
        path.hardlink_to(source)

    def _hide(self, path: Path) -> None:
        """Remove what lower layers brought at `path`, and keep what this layer has written there."""
        if path.is_dir() and not path.is_symlink():
            for inner in path.iterdir():
                self._hide(inner)
            if path not in self._written and not any(path.iterdir()):
                path.rmdir()
            self._folders.clear()
        elif path not in self._written:
            path.unlink(missing_ok=True)

    def _remove(self, path: Path) -> None:
        if not os.path.lexists(path):
            return
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path)
        self._folders.clear()

    def _folder(self, parts: Sequence[str]) -> Path:
        """The real folder that a name means inside of the root; made where it is missing."""
        key = tuple(parts)
        if key not in self._folders:
            self._folders[key] = self._resolve(parts)
        return self._folders[key]

    def _resolve(self, parts: Sequence[str]) -> Path:
        pending, current, followed = list(reversed(parts)), self.root, 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                current = current if current == self.root else current.parent
                continue
            step = current / part
            if step.is_symlink():
                followed += 1
                if followed > MOST_LINKS:
                    raise UntrustedInput(f"The image's name {'/'.join(parts)} runs in a circle of links.", _FIX)
                text = str(step.readlink())
                current = self.root if text.startswith("/") else current
                pending.extend(reversed(text.split("/")))
                continue
            self._ensure_folder(step)
            current = step
        return current

    def _ensure_folder(self, path: Path) -> None:
        if path.is_dir():
            return
        self._remove(path)
        if len(str(path)) - len(str(self.root)) > _LONGEST_PATH:
            raise UntrustedInput(f"The image holds a path of more than {_LONGEST_PATH} characters.", _FIX)
        path.mkdir(mode=0o755)


def entry_parts(name: str) -> tuple[str, ...]:
    """The parts of an entry's name; raises `UntrustedInput` for one that is no name inside of an image."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts or "\0" in name or any(len(os.fsencode(part)) > _LONGEST_NAME_BYTES for part in parts):
        raise UntrustedInput(f"The image holds an entry named {name!r}, which is no name inside of it.", _FIX)
    return parts
