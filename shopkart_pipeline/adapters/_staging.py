"""Temporary folders beside what they become, which vanish even if their maker was killed.

The maker holds a lock on its folder, and the system lets go of it when the maker dies. Whoever makes the next folder
for the same target sweeps those that nobody holds any more.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def staging(target: Path) -> Generator[Path]:
    """A folder in the file system of `target`, so that a rename puts what it holds in place; removed at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.staging-"
    for left in target.parent.glob(f"{glob.escape(prefix)}*"):
        _sweep(left)
    folder, lock = _locked_folder(target.parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = _open(folder)
        if lock is None:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A sweeper may have been faster than the lock.
        if folder.exists():
            return folder, lock
        os.close(lock)


def _sweep(folder: Path) -> None:
    lock = _open(folder)
    if lock is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        # Its maker is at work.
        return
    finally:
        os.close(lock)


def _open(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
