"""A folder for a while, that nobody's death leaves behind.

Whoever works in one holds a lock on it, and that ends with its process, however it ends. So the next one to come tells
what is left from what is in use, and removes the former before it makes its own.
"""

import fcntl
import secrets
import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_LOCK = ".lock"


@contextmanager
def held_folder(root: Path, end: Callable[[Path], object] = lambda _: None) -> Generator[Path]:
    """A folder of one's own below `root` (mode 0700), gone afterwards.

    Args:
        root: made where it is missing; holds nothing else.
        end: ends what may still run in a folder that somebody left.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as held:
        # One at a time, so that nobody takes a folder that was made a moment ago for one that was left.
        with (root / _LOCK).open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            remove_left(root, end)
            folder = root / secrets.token_hex(4)
            folder.mkdir(mode=0o700)
            fcntl.flock(held.enter_context((folder / _LOCK).open("w")), fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_left(root: Path, end: Callable[[Path], object] = lambda _: None) -> int:
    """Remove folders below `root` that nobody holds; returns how many."""
    removed = 0
    for folder in root.glob("*/"):
        with suppress(OSError), (folder / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end(folder)
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
