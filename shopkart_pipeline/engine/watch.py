"""Notices that the definitions would be others if they were loaded now: a file that they are made from has changed.

Content counts, not time: a file that was only touched has not changed. Content is read again only where size, time or
inode differ, so looking at a few hundred modules takes about two milliseconds.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_Stamp = tuple[int, int, int]
_GONE: _Stamp = (0, 0, 0)


class Watch:
    """Files, and folders of Python modules, as they were when this was made.

    Which files count is known only after the definitions were loaded from them, so this is made afterwards; a file that
    is newer than `loading_began` was written too late to have been read for certain, and counts as changed.
    """

    def __init__(self, paths: Iterable[Path], loading_began: Path) -> None:
        self._paths = tuple(paths)
        self._seen: dict[Path, tuple[_Stamp, str]] = {}
        self._first = self._look()
        began_ns, _, _ = _stamp(loading_began)
        self._too_late = any(stamp[0] > began_ns for stamp, _ in self._seen.values())

    def has_changed(self) -> bool:
        """Whether the content of any file differs, or a module came or went."""
        return self._too_late or self._look() != self._first

    def _look(self) -> dict[Path, str]:
        return {path: self._digest(path) for path in self._files()}

    def _files(self) -> Iterator[Path]:
        for path in self._paths:
            if path.is_dir():
                yield from sorted(path.rglob("*.py"))
            else:
                yield path

    def _digest(self, path: Path) -> str:
        stamp = _stamp(path)
        known = self._seen.get(path)
        if known is None or known[0] != stamp:
            self._seen[path] = known = (stamp, _hash(path))
        return known[1]


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return _GONE
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "gone"
