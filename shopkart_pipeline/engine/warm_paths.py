"""Where the warm server and its clients meet: the files under one instance home."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LONGEST_ADDRESS_BYTES = 100  # The kernel takes 108; macOS takes 104.


@dataclass(frozen=True)
class WarmPaths:
    """The files of the warm server of one instance home."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "warm"

    @property
    def socket(self) -> Path:
        return self.folder / "server.sock"

    @property
    def server_lock(self) -> Path:
        """Held by the one server of this home."""
        return self.folder / "server.lock"

    @property
    def start_lock(self) -> Path:
        """Held by whoever starts a server."""
        return self.folder / "start.lock"

    @property
    def loading(self) -> Path:
        """Its time is when the server began to load the definitions."""
        return self.folder / "loading"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def calls_log(self) -> Path:
        return self.folder / "calls.log"

    @property
    def instance_ref(self) -> Path:
        """How to open the instance, when that is not `dagster.yaml` in the home."""
        return self.folder / "instance_ref.json"

    @property
    def runs(self) -> Path:
        """One record and one log per run."""
        return self.folder / "runs"

    def run_log(self, run_id: str) -> Path:
        return self.runs / f"{run_id}.log"

    def launch_lock(self, run_id: str) -> Path:
        """Held while a run is created and launched; shared by some runs, so that there are few files."""
        return self.folder / f"launch-{run_id[:1]}.lock"

    def make(self) -> None:
        """Make the folders, for this user alone."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.runs.mkdir(exist_ok=True, mode=0o700)


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old text or the new, whoever else writes it.

    It is not synced to disk: these files speak of processes, which a power cut ends too.
    """
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    Path(draft).replace(path)


@contextmanager
def socket_address(path: Path) -> Generator[str]:
    """An address for `path` that the kernel takes, however deep the home lies; valid inside of the `with`."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
