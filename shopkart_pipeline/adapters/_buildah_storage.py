"""Where buildah keeps base images and layers: a folder of the pipeline's own, never the machine's storage.

Builds share it and hold a shared lock on it while they run; whoever tidies takes the lock alone or leaves it for
another time. A cache that has grown over its limit begins anew: all its layers carry one time, so nothing says which
were used last, and a build that finds it empty is slower and gives the same digest.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuildahStorage:
    """The storage below `folder`."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @contextlib.contextmanager
    def in_use(self) -> Generator[None]:
        """While a build runs."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def alone(self) -> Generator[bool]:
        """Whether nobody else uses it, until the block ends."""
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                yield True
        except BlockingIOError:
            yield False

    def size_bytes(self) -> int:
        """What it takes on disk."""
        total = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
        return total

    def clear(self) -> None:
        """Begin anew; nobody may use it."""
        shutil.rmtree(self.root, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Generator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, how)
            yield
        finally:
            os.close(lock)
