"""Backups in a folder, readable by its owner alone: written under another name, synced, and then renamed."""

import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._backup_blobs import Blobs
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable

_PIECE_BYTES = 1 << 20
_UNFINISHED = ".unfinished-"


class DiskBackups(Blobs):
    """Below a folder.

    Args:
        root: the folder.
        is_ours: made where it is missing; another one has to be there, as a disk that is not mounted would be taken for
            an empty one.
    """

    def __init__(self, root: Path, *, is_ours: bool = True) -> None:
        self._root = root
        self._is_ours = is_ours
        self.place = str(root)

    @contextmanager
    def writing(self, name: str) -> Generator[Callable[[bytes], object]]:
        path = self._root / name
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    yield stream.write
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)

    def reading(self, name: str) -> Iterator[bytes]:
        with self._told():
            try:
                stream = (self._root / name).open("rb")
            except FileNotFoundError:
                raise NotFound(f"{name} is missing in {self.place}.", "Restore an earlier backup.") from None
            with stream:
                while piece := stream.read(_PIECE_BYTES):
                    yield piece

    def names(self, folder: str) -> tuple[str, ...]:
        with self._told():
            found = (path for path in (self._root / folder).rglob("*") if path.is_file())
            return tuple(sorted(str(path.relative_to(self._root)) for path in found if path.name[0] != "."))

    def remove(self, name: str) -> None:
        path = self._root / name
        with self._told():
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync_folder(path.parent)
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()

    def sweep(self, before: datetime) -> int:
        with self._told():
            unfinished = [
                path for path in self._root.rglob(f"{_UNFINISHED}*") if path.stat().st_mtime < before.timestamp()
            ]
            for path in unfinished:
                path.unlink(missing_ok=True)
        return len(unfinished)

    @contextmanager
    def _told(self) -> Generator[None]:
        if not self._is_ours and not self._root.is_dir():
            raise ToolUnavailable(f"The folder of backups {self.place} is not there.", "Mount its disk, or make it.")
        try:
            yield
        except OSError as error:
            raise ToolUnavailable(
                f"The backups in {self.place} can't be used: {error.strerror or type(error).__name__}.",
                "Look at the disk's space and the folder's permissions.",
            ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
